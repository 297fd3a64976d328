#include "contract.h"
#include "harness.h"
static void conversation(void)
{
}
CHECKER("04-shared-memory", "shared memory")
