#include "../05-sockets/unix/server.c" /* by the folders that the compiler looks into */
