/* Tells the service manager how it stands, by the protocol of sd_notify(3), which is fixed. */
#pragma once

/* The daemon is ready. Nothing happens where nobody wants to know. */
void notify_ready(void);
