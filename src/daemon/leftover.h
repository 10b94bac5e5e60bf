/*
 * What a daemon that was killed in the middle of a park has left: dropbear gives the terminal of an
 * ended connection to root and opens it to everybody, and nobody was there to give it back.
 */
#pragma once

/* Gives such terminals to the users whose shells run in them. Says so in the log. */
void leftover_mend(void);
