/* A line of warning for each of 2 to the 18th inclusions. */
#if __INCLUDE_LEVEL__ < 18
#include __FILE__
#include __FILE__
#else
#warning \
    "a long warning that fills whatever keeps what the compiler says, again and again and again and again"
#endif
