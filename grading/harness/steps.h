/*
 * steps.h - in which step a program of the pair makes a call.
 */
#ifndef STEPS_H
#define STEPS_H

/* Returns `step` if this step of our `program` ("server", "client") makes the call, as an error line names
 * it ("CreateProcess"). Otherwise the one step that makes it; 0 if several do, -1 if none does. */
int step_of_call(const char *program, const char *call, int step);

/* Returns the last step of the program, which ends it or cleans up, or 0 if it is not known. */
int last_step(const char *program);

#endif
