# side-by-side.mk - what was typed runs goal after goal; what each goal takes, side by side.
#
# The outer make, which a person starts, hands every goal to an inner one, in which INNER is
# set: with two jobs for each processor, as most of a check is waiting, the output of each job in
# one piece. So `make setup check` is first the one and then the other, and the inner make finds what the
# first has installed.

ifeq ($(MAKELEVEL),0)
JOBS := $(shell expr 2 \* $$(nproc))
GOALS := $(or $(MAKECMDGOALS),all)
.PHONY: $(GOALS)
.NOTPARALLEL:
.DEFAULT_GOAL := $(firstword $(GOALS))
$(GOALS):
	@+$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS)) -Otarget --keep-going $@ $(if $(WORK),WORK=$(abspath $(patsubst ~%,$(HOME)%,$(WORK))))
else
INNER := yes
.DEFAULT_GOAL := all
endif
