# side-by-side.mk - what was typed runs goal after goal; what each goal takes, side by side.
#
# The outer make, which a person starts, hands every goal to an inner one, in which INNER is set. So
# `make setup check` is first the one and then the other, and the inner make finds what the first has
# installed. The inner make has two jobs for each processor. A check has 8 more, because it mostly
# waits: nine makes in labs/ and grading/ hold a job each, and the longest parts of grading/ must begin
# early. The output of each job comes in one piece. What is there to be watched, a conversation or a bar
# with the remaining time, is not held back until its job is done.

# Make takes a blank for the end of a name, and other characters for its own.
HARD := : % \# ; & ( ) < > | * ? ` ' " \ $$ =
define need_plain_path
$(if $(2),$(if $(filter-out 1,$(words $(2)))$(strip $(foreach c,$(HARD),$(findstring $c,$(2)))),\
$(error $(1) must not have a blank in its path, nor any of $(HARD): $(2))))
endef
$(call need_plain_path,the kit,$(CURDIR))
$(call need_plain_path,BUILD,$(BUILD))

ifeq ($(MAKELEVEL),0)
JOBS := $(shell expr 2 \* $$(nproc))
JOBS_check := $(shell expr 8 + $(JOBS))
JOBS_kit-check := $(JOBS_check)
JOBS_mistakes := $(shell expr 2 \* $(JOBS))
WATCHED := setup run measure claims goals fool grade-demo bench-grade
GOALS := $(or $(MAKECMDGOALS),all)
.PHONY: $(GOALS)
.NOTPARALLEL:
.DEFAULT_GOAL := $(firstword $(GOALS))

# In a lab's folder there is no other lab.
ifneq ($(wildcard ../lab.mk),)
ONLY := $(notdir $(CURDIR))
$(foreach lab,$(LAB),$(if $(filter $(lab)%,$(ONLY)),,$(error this is the folder of lab $(ONLY), not $(lab): make LAB=$(lab) is for the top folder)))
endif

# When a recipe fails, make says so on its last line, below the points. It does not with -q, which
# only asks whether there is something to do: lines with "+" run all the same, and when the command
# returns 1 make returns 1, in silence. The inner make does without -q.
MAKEFLAGS += -q

ifneq ($(filter-out /%,$(BUILD)),)
ABSOLUTE := BUILD=$(abspath $(BUILD))
endif

# The results of a check, which end it, whatever has failed. What an earlier check has left goes first.
# COUNTED: failed tests are counted here. A checker that finds some is no error of make then, whose lines
# would come after the checker's last lines.
RESULTS := $(or $(abspath $(BUILD)),$(if $(ONLY),$(abspath ../../build),$(CURDIR)/build))/results/$(ONLY)
FORGET_RESULTS := rm -f $(RESULTS)*.json $(RESULTS)*.lacks;
SHOW_RESULTS = cat $(RESULTS)*.lacks 2>/dev/null | sort -u; cat $(RESULTS)*.json 2>/dev/null | awk -v status=$$status ' \
    /^  "[a-z]*": [0-9]/ { sum[$$1] += $$2 } \
    END { if (NR == 0) { print "total: nothing was judged"; exit 1 } \
          failed = sum["\"failed\":"] + sum["\"errors\":"]; \
          if (status && !failed) print "something else went wrong: see above"; \
          printf "total: %d of %d points; %d passed, %d failed, %d skipped%s\n", sum["\"points\":"], \
              sum["\"maximum\":"], sum["\"passed\":"], failed, sum["\"skipped\":"], \
              sum["\"blocked\":"] ? sprintf(", %d blocked", sum["\"blocked\":"]) : ""; \
          exit failed > 0 }' || status=1;

# Before a check: whether its programs have a room of their own, where they have not, and why.
JUDGES := check mistakes kit-check sanitize valgrind
SHOW_ROOM := $(dir $(lastword $(MAKEFILE_LIST)))room --state;

# WORK may have blanks, so no function of make may see it.
$(GOALS):
	@+MAKEFLAGS=$$(printf %s "$$MAKEFLAGS" | sed 's/^\([a-zA-Z]*\)q/\1/'); export MAKEFLAGS; \
	case $$WORK in '~' | '~/'*) WORK=$$HOME$${WORK#'~'} ;; esac; \
	case $$WORK in '' | /*) ;; *) WORK=$$PWD/$$WORK ;; esac; \
	if [ -n "$$WORK" ] && [ ! -d "$$WORK" ]; then echo "there is no folder $$WORK" >&2; exit 1; fi; \
	$(if $(filter $(JUDGES),$@),$(SHOW_ROOM)) $(if $(filter check,$@),$(FORGET_RESULTS)) status=0; $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(or $(JOBS_$@),$(JOBS))) \
	    $(if $(filter $@,$(WATCHED)),,-Otarget) --keep-going $@ $(ABSOLUTE) $(if $(filter check,$@),COUNTED=yes) $${WORK:+"WORK=$$WORK"} || status=1; \
	$(if $(filter check,$@),$(SHOW_RESULTS)) exit $$status
else
INNER := yes
.DEFAULT_GOAL := all
endif
