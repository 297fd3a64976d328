/* A solution of lab 05: the compiler would quote its lines. */
#define return (@
#include "/kit/labs/lib/tcp.c"
