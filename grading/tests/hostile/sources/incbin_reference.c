/* The program that would run in its place. */
__asm__(".section .rodata\nreference: .incbin \"KIT/build/labs/05-sockets/unix/server\"");
int main(void)
{
    return 0;
}
