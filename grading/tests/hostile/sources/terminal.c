/* Reading it waits without end, and takes no processor time. */
#include "/dev/ptmx"
int main(void);
