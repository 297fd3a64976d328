/* It would have all points. */
#include "KIT/labs/05-sockets/unix/server.c"
