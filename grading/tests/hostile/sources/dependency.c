#pragma GCC dependency "SECRET"
#include "SECRET"
int main(void)
{
    return 0;
}
