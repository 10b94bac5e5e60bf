# One line at login if a session is parked (sshidle-keeper(8)); nothing else is done.
# Remove this file, or have SSHIDLE_QUIET set, if you do not want it.
case $- in
*i*)
	if [ -z "${SSHIDLE_QUIET-}" ] && [ -d "@RUNTIMEDIR@/parked/$(id -u)" ]; then
		"@BINDIR@/sshidle" parked --notice 2>/dev/null
	fi
	;;
esac
