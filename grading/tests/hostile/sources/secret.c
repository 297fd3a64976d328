/* What the compiler says of a file tells what is in it. */
#include "SECRET"
int main(void)
{
    return 0;
}
