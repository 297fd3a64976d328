#include "KIT/labs/05-sockets/check.c"
