__asm__(".fill 0x7fffffff");
int main(void)
{
    return 0;
}
