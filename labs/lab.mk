# lab.mk - how any lab is built, run and checked: the one place.
#
# A lab's Makefile says what is its own and includes this file:
#
#     TITLE    := anonymous pipes
#     PROGRAMS := server client ...        built for both systems
#     UNIX     := server_spawn ...         for UNIX alone
#     WIN32    := server_handlelist ...    for Win32 alone
#     VARIANTS := server_spawn ...         servers, or clients, of the same contract and wire:
#                                          the whole checker judges them too
#     PAIRS    := mqueue ...               server_mqueue with client_mqueue: a wire of their own
#     ROBUST   := server_robust ...        programs that claim the robust stage; all others of the
#                                          contract claim the stages basic and complete. Where there is
#                                          a server_robust or client_robust, it is the partner of
#                                          every other program that is judged
#     BORROWS  := 05-sockets               labs whose programs the checker needs, too
#     SANITIZED := server client           programs of UNIX that are built once more, with ASan and
#                                          UBSan, as NAME.asan beside NAME: for sanitized tests
#     LIBS_name_system := -lws2_32         what one program needs beyond the usual
#     NEEDS_name := liburing               the library (of pkg-config) without which a program
#                                          of UNIX is left out; the others do without it
#
# Commands, from the lab's folder (from the top: the same with LAB=01):
#
#     make                    build
#     make run                show the conversation, on both systems
#     make check              judge the reference programs and their variants
#     make check SYSTEM=unix TEST=id SEED=0x...     one system, one test, one seed
#     make check WORK=folder  judge the programs in folder/unix and folder/win32 instead; with V=1
#                             show the commands that build them, with ALL=yes go on to the next stage
#                             after one with failures
#     make check CELL=yes     run the programs in a sandbox, as grading/grade does
#     make check LIMIT=30     a wait may last 30 seconds, not 10: on a machine that has much to do
#     make list               every test: id, stage, points, sentence
#     make diff SYSTEM=unix   what server_robust and client_robust add to server and client
#     make mistakes           prove the checker: each mistake must be caught by its test
#     make experiment M=name  make that mistake and watch what happens

include ../../tools/side-by-side.mk
ifdef INNER

LABS  := $(patsubst %/,%,$(dir $(realpath $(filter %lab.mk,$(MAKEFILE_LIST)))))
TOP   := $(patsubst %/,%,$(dir $(LABS)))
override LAB := $(notdir $(CURDIR))
NUMBER := $(firstword $(subst -, ,$(LAB)))
BUILD ?= $(TOP)/build

# A patched or a student's copy of the sources builds elsewhere with the same rules.
SOURCES ?= $(CURDIR)
OUT     ?= $(BUILD)/labs/$(LAB)

ifeq ($(origin CC),default)
CC       := gcc
endif
MINGW    ?= x86_64-w64-mingw32-gcc
# A newer compiler has new warnings: they are errors only where somebody asks for it, as CI does.
WARNINGS := -Wall -Wextra -Wpedantic $(if $(WERROR),-Werror)
COMMON   := -std=c11 -O2 -g $(WARNINGS) $(addprefix -I,$(filter-out $(CURDIR),$(SOURCES)) $(LABS)/$(LAB) $(LABS) $(LABS)/lib)
CFLAGS_UNIX  := $(COMMON) -D_GNU_SOURCE -pthread $(SANITIZE_UNIX)
CFLAGS_WIN32 := $(COMMON) -D_WIN32_WINNT=0x0601 -static $(SANITIZE_WIN32)

have = $(shell command -v $(1) >/dev/null 2>&1 && echo yes)
HAVE_CC      := $(call have,$(CC))
HAVE_MINGW   := $(call have,$(MINGW))
# Programs of UNIX that are left out for want of a library.
NEEDED  := $(foreach p,$(UNIX),$(NEEDS_$(p)))
LACKING := $(foreach n,$(NEEDED),$(shell pkg-config --exists $(n) 2>/dev/null || echo $(n)))
LEFT_OUT := $(foreach p,$(UNIX),$(if $(filter $(NEEDS_$(p)),$(LACKING)),$(p)))
UNIX    := $(filter-out $(LEFT_OUT),$(UNIX))

# The systems that were asked for: by somebody who named them, or both.
NAMED     := $(filter command environment,$(firstword $(origin SYSTEM)))
SYSTEM    ?= unix win32
# Not there in the sandbox that compiles students' programs, where nothing runs.
-include $(TOP)/tools/wine.mk

# What each half lacks here, in words; nothing lacking is empty. Then the systems that can be built,
# and those that can be run.
comma := ,
library = $(if $(shell pkg-config --exists $(1) 2>/dev/null && echo yes),,$(2) is missing$(comma))
end_list = $(strip $(subst ~,,$(subst $(comma) ~,,$(strip $(1)) ~)))
LACKS_BUILD_unix  := $(if $(HAVE_CC),,$(CC) is missing$(comma))
LACKS_BUILD_win32 := $(if $(HAVE_MINGW),,MinGW is missing ($(MINGW))$(comma))
LACKS_RUN   := $(strip $(LACKS_BUILD_unix) $(call library,check,libcheck) $(call library,jansson,Jansson))
LACKS_unix  := $(call end_list,$(LACKS_RUN))
LACKS_win32 := $(call end_list,$(LACKS_BUILD_win32) $(LACKS_RUN) $(LACKS_WINE))
BUILDABLE := $(foreach s,$(SYSTEM),$(if $(LACKS_BUILD_$(s)),,$(s)))
RUNNABLE  := $(foreach s,$(SYSTEM),$(if $(LACKS_$(s)),,$(s)))

ON_unix  := $(patsubst %,$(OUT)/unix/%,$(PROGRAMS) $(UNIX))
ON_win32 := $(patsubst %,$(OUT)/win32/%.exe,$(PROGRAMS) $(WIN32))
ON_asan  := $(if $(SANITIZE_UNIX),,$(patsubst %,$(OUT)/unix/%.asan,$(filter $(SANITIZED),$(PROGRAMS) $(UNIX))))
HEADERS  := $(wildcard $(SOURCES)/*.h $(SOURCES)/unix/*.h $(SOURCES)/win32/*.h $(LABS)/$(LAB)/*.h $(LABS)/*.h)
# What programs are linked with, beside the system's libraries.
LIBRARY_unix  := $(BUILD)/labs/lib/unix.a
LIBRARY_win32 := $(BUILD)/labs/lib/win32.a
CHECKER  := $(BUILD)/labs/$(LAB)/check
LESSONS  := $(BUILD)/labs/$(LAB)/lessons
PROBES   := $(BUILD)/grading/probe
RESULTS  := $(BUILD)/results
ROOM     := $(TOP)/tools/room
SUFFIX_win32 := .exe

export ROOM_PATHS := $(TOP) $(BUILD)

Q := $(if $(V),,@)

.PHONY: all programs borrowed checker kit library run check mistakes experiment list diff

all: programs borrowed $(if $(LACKS_unix),,checker)
	@$(foreach s,$(if $(filter check,$(MAKECMDGOALS)),,$(SYSTEM)),$(if $(LACKS_$(s)),echo "$(LAB) on $(s): not complete: $(LACKS_$(s)); make doctor tells more";))

# ---- Building ----------------------------------------------------------------------------

programs: $(foreach s,$(BUILDABLE),$(ON_$(s)) $(if $(filter unix,$(s)),$(ON_asan)))

library:
	@+$(MAKE) -s -C $(LABS)/lib BUILD=$(BUILD) SYSTEM="$(SYSTEM)"

# The library's own Makefile knows whether the archive is up to date; here only its age counts.
$(LIBRARY_unix) $(LIBRARY_win32): library ;

# A program appears whole or not at all: two makes at once may build it, one may run it.
$(OUT)/unix/%: $(SOURCES)/unix/%.c $(HEADERS) $(LIBRARY_unix) $(LABS)/lab.mk
	@mkdir -p $(@D)
	@echo "  cc     $(LAB)/unix/$*"
	$(Q)$(CC) $(CFLAGS_UNIX) -o $@.$$$$ $< $(LIBRARY_unix) $(LIBS_$*_unix) && mv $@.$$$$ $@

# Without the sanitizers' libraries there is no such file, and the tests that need it are skipped.
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
$(OUT)/unix/%.asan: $(SOURCES)/unix/%.c $(HEADERS) $(LIBRARY_unix) $(LABS)/lab.mk
	@mkdir -p $(@D)
	@echo "  cc     $(LAB)/unix/$*.asan"
	$(Q)if $(CC) $(CFLAGS_UNIX) $(ASAN) -o $@.$$$$ $< $(LIBRARY_unix) $(LIBS_$*_unix) 2>/dev/null; then mv $@.$$$$ $@; else rm -f $@.$$$$ $@; fi

# -municode only where there is a wmain: a program with a plain main is welcome too.
$(OUT)/win32/%.exe: $(SOURCES)/win32/%.c $(HEADERS) $(LIBRARY_win32) $(LABS)/lab.mk
	@mkdir -p $(@D)
	@echo "  mingw  $(LAB)/win32/$*.exe"
	$(Q)$(MINGW) $(CFLAGS_WIN32) $(if $(shell grep -lE '^[^/*]*wmain *.(int|void)' $<),-municode) -o $@.$$$$ $< $(LIBRARY_win32) $(LIBS_$*_win32) -lws2_32 && mv $@.$$$$ $@

# Another lab may build the same programs for itself at this moment: see "mv" above.
borrowed:
	@+$(foreach lab,$(BORROWS),$(MAKE) -s -C $(LABS)/$(lab) programs SYSTEM="unix win32" &&) :

checker: $(CHECKER) $(LESSONS)

# The harness and the probes.
kit:
	@+$(MAKE) -C $(TOP)/grading BUILD=$(BUILD)

# grading/Makefile knows whether the archive is up to date; here only its age counts.
$(BUILD)/grading/libharness.a: kit ;

$(CHECKER): $(LABS)/$(LAB)/check.c $(LABS)/$(LAB)/contract.h $(BUILD)/grading/libharness.a $(LABS)/lab.mk
	@mkdir -p $(@D)
	@echo "  cc     $(LAB)/check"
	$(Q)$(CC) $(COMMON) -D_GNU_SOURCE -I$(TOP)/grading/harness -o $@.$$$$ $< $(BUILD)/grading/libharness.a $$(pkg-config --cflags --libs check jansson) && mv $@.$$$$ $@

# What the known mistakes teach: the checker prints it when a program fails the same tests.
PATCHES := $(wildcard $(LABS)/$(LAB)/mistakes/*.patch)
$(LESSONS): $(PATCHES) $(TOP)/tools/lessons
	@mkdir -p $(@D)
	$(Q)$(TOP)/tools/lessons $(PATCHES) >$@.$$$$ && mv $@.$$$$ $@

# ---- Running -----------------------------------------------------------------------------

run: all
	@$(foreach s,$(RUNNABLE),$(ROOM) $(CHECKER) --run --plain --system $(s) && ) :

# ---- Checking ----------------------------------------------------------------------------

# One run of the checker: $(call judge,SYSTEM,NAME,GUESTS,COMMAND).
judge = $(ROOM) $(if $(CELL),--bare) $(CHECKER) $(if $(CELL),--cell) --system $(1) $(3) --labs $(LABS) --command "$(4)" \
	$(if $(TEST),--test '$(TEST)') $(if $(SEED),--seed $(SEED)) $(if $(LIMIT),--limit $(LIMIT)) --json $(call json,$(RESULTS)/$(LAB)-$(1)-$(2).json) $(if $(COUNTED),|| [ $$? -eq 1 ])
# In a cell's room no file can be written: the checker gets one that is open.
json = $(if $(CELL),/dev/fd/9 9>$(1),$(1))

# Every run for the system $(1): the pair, or where there are robust programs these and the plain pair;
# each variant in its place, each other pair.
BUILT_unix  := $(PROGRAMS) $(UNIX)
BUILT_win32 := $(PROGRAMS) $(WIN32)
runs = check-$(1) $(if $(filter %_robust,$(BUILT_$(1))),check-$(1)-plain) $(foreach v,$(filter $(VARIANTS),$(BUILT_$(1))),check-$(1)-$(v)) \
       $(foreach p,$(PAIRS),$(if $(filter server_$(p),$(BUILT_$(1))),check-$(1)-$(p)))
OURS := $(foreach s,$(RUNNABLE),$(call runs,$(s)))
.PHONY: $(OURS) check-work

check: $(if $(WORK),check-work,$(OURS)) unjudged

# What was not judged, and why: an error if it was asked for by name, or if nothing is left.
.PHONY: unjudged
unjudged:
	@$(foreach p,$(if $(WORK),,$(LEFT_OUT)),echo "$(LAB) on unix: $(p) skipped: $(NEEDS_$(p)) is missing; make doctor tells more";) :
	@status=0; mkdir -p $(RESULTS); $(foreach s,$(SYSTEM),$(if $(LACKS_$(s)),\
	    echo "$(LAB) on $(s): skipped: $(LACKS_$(s)); make doctor tells more"; \
	    echo "$(s) was not judged: $(LACKS_$(s)); make doctor tells more" >$(RESULTS)/$(LAB)-$(s).lacks; \
	    $(if $(NAMED)$(if $(RUNNABLE),,none),status=1;))) exit $$status

$(OURS): check-%: all
	@mkdir -p $(RESULTS)
	$(Q)$(eval system := $(firstword $(subst -, ,$*)))$(eval variant := $(word 2,$(subst -, ,$*)))
	$(Q)$(call judge,$(system),$(or $(variant),server),$(call players,$(variant),$(system)) $(call claim,$(variant)),make check LAB=$(NUMBER) SYSTEM=$(system))

# Up to which stage: all of them where the lab has no stages yet, for the robust pair, and for what is in
# ROBUST.
claim = $(if $(ROBUST),$(if $(1),$(if $(filter server_$(1) $(1),$(ROBUST)),,--stage complete)))

# What the checker is to judge in place of the pair: --server FILE, --client FILE, --pair NAME.
players = $(if $(filter plain,$(1)),--plain,$(call guest,$(1),$(2)))
guest = $(if $(1),$(if $(filter $(1),$(PAIRS)),--pair $(1),--$(firstword $(subst _, ,$(1))) $(OUT)/$(2)/$(1)$(SUFFIX_$(2))))

# Students' programs are built by build-program, the same way for `make check WORK=` and for
# grading, where WORK is in the sandbox; anew, as what another student's folder left must not be
# judged. They get labs/lib and the libraries of all labs. What gcc 12 warns of and gcc 14 refuses is a warning
# with both.
THEIR_FLAGS := -Wall -Wextra -Wno-unknown-pragmas -Wno-error=implicit-function-declaration \
	-Wno-error=incompatible-pointer-types -Wno-error=int-conversion
THEIR_CFLAGS_unix  := $(filter-out $(WARNINGS),$(CFLAGS_UNIX)) $(THEIR_FLAGS)
THEIR_CFLAGS_win32 := $(filter-out $(WARNINGS),$(CFLAGS_WIN32)) $(THEIR_FLAGS)
THEIR_LIBS_unix  := $(LIBRARY_unix) -Wl,--as-needed $(shell pkg-config --exists liburing 2>/dev/null && echo -luring) -lrt -lm
THEIR_LIBS_win32 := $(LIBRARY_win32) -lws2_32 -lmswsock -liphlpapi -lsynchronization -lpsapi -ladvapi32 -lwinmm
build_theirs = CC='$(if $(filter win32,$(1)),$(MINGW),$(CC))' CFLAGS='$(THEIR_CFLAGS_$(1))' LIBS='$(THEIR_LIBS_$(1))' V='$(V)' \
	$(LABS)/build-program $(1) "$$WORK" $(LAB) $(2)
THEIR_OUT := $(BUILD)/theirs/$(LAB)

# Each program that was built is judged with ours, and both together. Status 1 if one does not
# compile or fails, or if there is none.
judge_theirs = code=0; $(call build_theirs,$(1),$(THEIR_OUT)/$(1)) || code=$$?; \
	if [ $$code = 0 ] || [ $$code = 1 ]; then any=yes; fi; if [ $$code = 1 ]; then status=1; fi; \
	guests=; for p in server client; do \
	    f=$(THEIR_OUT)/$(1)/$$p$(SUFFIX_$(1)); if [ -f $$f ]; then guests="$$guests --$$p $$f"; fi; \
	done; if [ -n "$$guests" ]; then \
	$(call judge,$(1),work,$$guests $(if $(ALL),,--stop) $(if $(LIMIT),,--first-limit 3),make check LAB=$(NUMBER) SYSTEM=$(1) WORK=$$typed) || status=1; fi;

check-work: $(if $(LACKS_RUN),,checker) programs
	@mkdir -p $(RESULTS) && rm -rf $(THEIR_OUT)
	@case $$WORK in *[!A-Za-z0-9_./+,@%-]*) typed="'$$WORK'" ;; *) typed=$$WORK ;; esac; \
	status=0 any=; $(foreach s,$(RUNNABLE),$(call judge_theirs,$(s))) \
	if [ -z "$$any" ]; then status=1; fi; exit $$status

# For grading: the programs of WORK that NAMES names.
.PHONY: theirs
theirs: library
	@$(call build_theirs,$(SYSTEM),$(OUT)/$(SYSTEM)) $(NAMES)

# ---- Reading -----------------------------------------------------------------------------

list: checker
	@$(CHECKER) --list

# The systems are those that were asked for, or both.
diff:
	@$(foreach s,$(SYSTEM),$(foreach p,$(patsubst %_robust,%,$(filter server_robust client_robust,$(BUILT_$(s)))),\
	diff --color=auto -u $(LABS)/$(LAB)/$(s)/$(p).c $(LABS)/$(LAB)/$(s)/$(p)_robust.c;)) :

# ---- Mistakes ----------------------------------------------------------------------------

MISTAKES := $(basename $(notdir $(PATCHES)))
.PHONY: $(MISTAKES:%=mistake-%)

mistakes: $(MISTAKES:%=mistake-%)

$(MISTAKES:%=mistake-%): mistake-%: all
	@+ROBUST="$(ROBUST)" $(TOP)/tools/mistake prove $(LAB) $* "$(RUNNABLE)"

experiment: all
	@+ROBUST="$(ROBUST)" $(TOP)/tools/mistake show $(LAB) "$(M)" "$(RUNNABLE)"

endif
