/* Prints the CPU level of this machine. */
#include "base/cpu_level.h"

#include <stdio.h>

int main(void) { return puts(cpu_level_name(cpu_level_of_machine())) < 0; }
