/*
 * What a daemon that was killed in the middle of a park has left: dropbear opens the terminal of an ended connection
 * to everybody, and nobody was there to give it back.  Until 2025.88 it also gives it to root; since then it
 * is the user itself, who cannot.
 */
#pragma once

/* Gives such terminals to the users whose shells run in them: in a process that ends soon. Says so in the log. */
void leftover_mend(void);
