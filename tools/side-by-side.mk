# side-by-side.mk - what was typed runs goal after goal; what each goal takes, side by side.
#
# The outer make, which a person starts, hands every goal to an inner one, in which INNER is
# set: with two jobs for each processor, as most of a check is waiting, the output of each job in
# one piece. So `make setup check` is first the one and then the other, and the inner make finds what the
# first has installed. What is there to be watched, a conversation or a bar with the remaining time, is
# not held back until its job is done.

ifeq ($(MAKELEVEL),0)
JOBS := $(shell expr 2 \* $$(nproc))
WATCHED := setup run measure claims goals fool grade-demo bench-grade
GOALS := $(or $(MAKECMDGOALS),all)
.PHONY: $(GOALS)
.NOTPARALLEL:
.DEFAULT_GOAL := $(firstword $(GOALS))
$(GOALS):
	@+$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS)) $(if $(filter $@,$(WATCHED)),,-Otarget) --keep-going $@ $(if $(WORK),WORK=$(abspath $(patsubst ~%,$(HOME)%,$(WORK))))
else
INNER := yes
.DEFAULT_GOAL := all
endif
