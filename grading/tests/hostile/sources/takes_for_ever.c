/* Twice at each of 60 levels: 2 to the 60th inclusions. */
#if __INCLUDE_LEVEL__ < 60
#include __FILE__
#include __FILE__
#endif
int main(void);
