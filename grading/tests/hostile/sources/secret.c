/* The compiler's messages about a file show its content. */
#include "SECRET"
int main(void)
{
    return 0;
}
