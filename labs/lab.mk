# lab.mk - builds, runs and checks any lab.
#
# A lab's Makefile sets these variables and includes this file:
#
#     TITLE    := anonymous pipes
#     PROGRAMS := server client ...        built for both systems
#     UNIX     := server_spawn ...         for UNIX only
#     WIN32    := server_handlelist ...    for Win32 only
#     VARIANTS := server_spawn ...         servers or clients with the same contract and the same
#                                          bytes on the wire: the whole checker judges them too
#     PAIRS    := mqueue ...               server_mqueue and client_mqueue, only with each other
#     ROBUST   := server_robust ...        programs that claim the robust stage; all others claim the
#                                          stages basic and complete. A server_robust or client_robust
#                                          is the partner of every other program that is judged
#     DEPENDS  := 05-sockets               labs whose programs the checker also needs
#     SANITIZED := server client           UNIX programs that are built once more, with ASan and
#                                          UBSan, as NAME.asan, for sanitized tests
#     PARTNERS := load                     programs that the checker starts, in a test or for `make run`, beside
#                                          the pair and the robust programs: they are in the kit for students
#     SHARED := room wire                  room.c and wire.c in the lab's folder: all its programs are
#                                          linked with them, on both systems; students' programs, too
#     LIBS_name_system := -lws2_32         more libraries for one program
#     NEEDS_name := liburing               a library (of pkg-config); without it this UNIX program
#                                          is left out, and the others are built
#
# Commands, in the lab's folder (in the top folder: the same with LAB=01):
#
#     make                    build
#     make run                show the conversation, on both systems
#     make trace SYSTEM=unix  draw the conversation: calls, messages, what blocks, what is not answered
#     make trace WORK=folder  the same, with the programs in folder
#     make check              judge the reference programs and their variants
#     make check SYSTEM=unix TEST=id SEED=0x...     one system, one test, one seed
#     make starter LEVEL=2    write programs to begin with, in DIR (~/mywork): with one step to write
#                             (LEVEL=1), the calls of the mechanism (2), or all but the arguments (3)
#     make check WORK=folder  judge the programs in folder/unix and folder/win32 instead; V=1 shows
#                             the commands that build them, ALL=yes runs all stages, also after one
#                             with failures
#     make watch WORK=folder  judge them at each save: what to fix first, and what has changed
#     make hint TEST=id       a hint for a test that your program has failed; each time it says more
#     make check CELL=yes     run the programs in a sandbox, as grading/grade does
#     make check LIMIT=30     wait up to 30 seconds, not 10, on a busy machine
#     make submit             make the archive that grading/grade takes, of the programs in WORK (~/mywork)
#     make list               every test: id, stage, points, sentence; with SYSTEM=unix those of that system, with
#                             WORK=folder those that judge a student's programs
#     make diff SYSTEM=unix   what server_robust and client_robust add to server and client
#     make mistakes           prove the checker: each mistake must be caught by its test
#     make experiments        list the mistakes, each with its lesson
#     make experiment M=name  make that mistake, and compare the wrong and the right conversation
#     make help               list the commands of the top folder; doctor and setup are those there, too

include ../../tools/side-by-side.mk
ifdef INNER

override LABS := $(patsubst %/,%,$(dir $(realpath $(filter %lab.mk,$(MAKEFILE_LIST)))))
TOP   := $(patsubst %/,%,$(dir $(LABS)))
override LAB := $(notdir $(CURDIR))
NUMBER := $(firstword $(subst -, ,$(LAB)))
BUILD ?= $(TOP)/build

# The kit for students (tools/student-kit) has our programs, the checkers and the probes as binaries, in
# bin/. Only students' programs are built there.
BINARIES := $(patsubst %/machine,%,$(wildcard $(TOP)/bin/machine))
MADE     := $(or $(BINARIES),$(BUILD))
MYWORK   := $(TOP)/mywork

# A patched copy of the sources, or a student's, is built in another folder by the same rules.
SOURCES ?= $(CURDIR)
OUT     ?= $(BUILD)/labs/$(LAB)

ifeq ($(origin CC),default)
CC       := gcc
endif
MINGW    ?= x86_64-w64-mingw32-gcc
ifeq ($(origin CXX),default)
CXX      := g++
endif
MINGW_CXX ?= $(MINGW:gcc=g++)
# Headers that a lab gives beside its programs: they need not be handed in.
GIVEN    := $(patsubst %/,%,$(sort $(dir $(wildcard $(LABS)/$(LAB)/unix/*.h $(LABS)/$(LAB)/win32/*.h))))
# A newer compiler has new warnings. They are errors only if WERROR is set, as in CI.
WARNINGS := -Wall -Wextra -Wpedantic $(if $(WERROR),-Werror)
COMMON   := -std=c11 -O2 -g $(WARNINGS) $(addprefix -I,$(filter-out $(CURDIR),$(SOURCES)) $(LABS)/$(LAB) $(GIVEN) $(LABS)/lib)
CFLAGS_UNIX  := $(COMMON) -D_GNU_SOURCE -pthread $(SANITIZE_UNIX)
CFLAGS_WIN32 := $(COMMON) -D_WIN32_WINNT=0x0601 -static $(SANITIZE_WIN32)

have = $(shell command -v $(1) >/dev/null 2>&1 && echo yes)
HAVE_CC      := $(call have,$(CC))
HAVE_MINGW   := $(call have,$(MINGW))
# UNIX programs that are left out because their library is missing.
NEEDED  := $(foreach p,$(UNIX),$(NEEDS_$(p)))
LACKING := $(foreach n,$(NEEDED),$(shell pkg-config --exists $(n) 2>/dev/null || echo $(n)))
LEFT_OUT := $(foreach p,$(UNIX),$(if $(filter $(NEEDS_$(p)),$(LACKING)),$(p)))
UNIX    := $(filter-out $(LEFT_OUT),$(UNIX))

# The systems that SYSTEM names, or both.
NAMED     := $(filter command environment,$(firstword $(origin SYSTEM)))
SYSTEM    ?= unix win32
# This file does not exist in the sandbox that compiles students' programs; no program runs there. Nor do these
# goals start one, so they need not wait for a Wine prefix.
ifneq ($(filter-out help doctor hint progress list starter watch submit diff experiments,$(or $(MAKECMDGOALS),all)),)
-include $(TOP)/grading/harness/wine.mk
endif

# What is missing for each half, as a text; empty if nothing is. Then the systems that can be
# built, and those that can be run.
comma := ,
library = $(if $(shell pkg-config --exists $(1) 2>/dev/null && echo yes),,$(2) is missing$(comma))
end_list = $(strip $(subst ~,,$(subst $(comma) ~,,$(strip $(1)) ~)))
LACKS_BUILD_unix  := $(if $(HAVE_CC),,$(CC) is missing$(comma))
LACKS_BUILD_win32 := $(if $(HAVE_MINGW),,MinGW is missing ($(MINGW))$(comma))
LACKS_RUN   := $(strip $(LACKS_BUILD_unix) $(if $(BINARIES),,$(call library,check,libcheck) $(call library,jansson,Jansson)))
ifdef BINARIES
BUILT_FOR := $(shell cat $(BINARIES)/machine)
LACKS_RUN += $(if $(filter $(BUILT_FOR),$(shell uname -m)),,the binaries of this kit are for $(BUILT_FOR)$(comma))
LACKS_BUILD_win32 += $(if $(wildcard $(BINARIES)/labs/$(LAB)/win32),,this kit has no Windows programs$(comma))
endif
LACKS_unix  := $(call end_list,$(LACKS_RUN))
LACKS_win32 := $(call end_list,$(LACKS_BUILD_win32) $(LACKS_RUN) $(LACKS_WINE))
BUILDABLE := $(foreach s,$(SYSTEM),$(if $(LACKS_BUILD_$(s)),,$(s)))
RUNNABLE  := $(foreach s,$(SYSTEM),$(if $(LACKS_$(s)),,$(s)))

ON_unix  := $(if $(BINARIES),,$(patsubst %,$(OUT)/unix/%,$(PROGRAMS) $(UNIX)))
ON_win32 := $(if $(BINARIES),,$(patsubst %,$(OUT)/win32/%.exe,$(PROGRAMS) $(WIN32)))
ON_asan  := $(if $(SANITIZE_UNIX)$(BINARIES),,$(patsubst %,$(OUT)/unix/%.asan,$(filter $(SANITIZED),$(PROGRAMS) $(UNIX))))
HEADERS  := $(wildcard $(SOURCES)/*.h $(SOURCES)/unix/*.h $(SOURCES)/win32/*.h $(LABS)/$(LAB)/*.h $(LABS)/lib/ipclab.h)
# What programs are linked with, in addition to the system's libraries.
LIBRARY_unix  := $(BUILD)/labs/lib/unix.a
LIBRARY_win32 := $(BUILD)/labs/lib/win32.a
CHECKER  := $(MADE)/labs/$(LAB)/check
LESSONS  := $(MADE)/labs/$(LAB)/lessons
HINTS    := $(if $(wildcard $(LABS)/$(LAB)/unix/server.c)$(BINARIES),$(MADE)/labs/$(LAB)/hints.tsv)
RESULTS  := $(BUILD)/results
STARTER  := $(TOP)/tools/starter
NAMESPACE := $(TOP)/grading/harness/private-namespace
SUFFIX_win32 := .exe

# The lab's own library, if it has one, comes before labs/lib. It is made of the same sources as the
# programs: in a patched copy, of that copy's.
SHARED_unix  := $(if $(SHARED),$(OUT)/shared/unix.a)
SHARED_win32 := $(if $(SHARED),$(OUT)/shared/win32.a)
.SECONDARY: $(SHARED_unix) $(SHARED_win32) # make would remove them: they are also for programs of others

export NAMESPACE_PATHS := $(TOP) $(BUILD)

Q := $(if $(V),,@)

.PHONY: all programs borrowed checker kit library run trace check mistakes experiment experiments list diff starter watch hint progress partners binaries submit help doctor setup

all: programs borrowed $(if $(LACKS_unix),,checker)
	@$(foreach s,$(if $(filter check,$(MAKECMDGOALS)),,$(SYSTEM)),$(if $(LACKS_$(s)),echo "$(LAB) on $(s): not complete: $(LACKS_$(s)); run make doctor";))

# ---- Building ----------------------------------------------------------------------------

programs: $(foreach s,$(BUILDABLE),$(ON_$(s)) $(if $(filter unix,$(s)),$(ON_asan)))

library:
	@+$(MAKE) -s -C $(LABS)/lib BUILD=$(BUILD) SYSTEM="$(SYSTEM)"

# The library's own Makefile decides whether the archive is up to date. This rule only compares
# its time.
$(LIBRARY_unix) $(LIBRARY_win32): library ;

# A program appears whole or not at all: two makes may build it at once, and one may run it.
$(OUT)/unix/%: $(SOURCES)/unix/%.c $(HEADERS) $(SHARED_unix) $(LIBRARY_unix) $(LABS)/lab.mk
	@mkdir -p $(@D)
	@echo "  cc     $(LAB)/unix/$*"
	$(Q)$(CC) $(CFLAGS_UNIX) -o $@.$$$$ $< $(SHARED_unix) $(LIBRARY_unix) $(LIBS_$*_unix) && mv $@.$$$$ $@

# Without the sanitizers' libraries this file does not exist, and the tests that need it are
# skipped.
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
$(OUT)/unix/%.asan: $(SOURCES)/unix/%.c $(HEADERS) $(LIBRARY_unix) $(LABS)/lab.mk
	@mkdir -p $(@D)
	@echo "  cc     $(LAB)/unix/$*.asan"
	$(Q)if $(CC) $(CFLAGS_UNIX) $(ASAN) -o $@.$$$$ $< $(LIBRARY_unix) $(LIBS_$*_unix) 2>/dev/null; then mv $@.$$$$ $@; else rm -f $@.$$$$ $@; fi

# -municode only for a wmain: a program may also have a plain main.
$(OUT)/win32/%.exe: $(SOURCES)/win32/%.c $(HEADERS) $(SHARED_win32) $(LIBRARY_win32) $(LABS)/lab.mk
	@mkdir -p $(@D)
	@echo "  mingw  $(LAB)/win32/$*.exe"
	$(Q)$(MINGW) $(CFLAGS_WIN32) $(if $(shell grep -lE '^[^/*]*wmain *.(int|void)' $<),-municode) -o $@.$$$$ $< $(SHARED_win32) $(LIBRARY_win32) $(LIBS_$*_win32) -lws2_32 && mv $@.$$$$ $@

# The archive appears whole or not at all.
COMPILE_unix  = $(CC) $(CFLAGS_UNIX)
COMPILE_win32 = $(MINGW) $(CFLAGS_WIN32)
$(OUT)/shared/%.a: $(SHARED:%=$(SOURCES)/%.c) $(HEADERS) $(LABS)/lab.mk
	@mkdir -p $(@D)
	@echo "  cc     $(LAB), $*"
	$(Q)new=$$(mktemp -d $@.XXXXXX) && \
	for file in $(SHARED); do \
	    $(COMPILE_$*) -c -o $$new/$$file.o $(SOURCES)/$$file.c || exit; \
	done && $$($(firstword $(COMPILE_$*)) -print-prog-name=ar) rcs $$new/shared.a $$new/*.o && \
	mv $$new/shared.a $@; status=$$?; rm -rf $$new; exit $$status

# Another lab may build the same programs at this moment: see "mv" above.
borrowed:
	@+$(foreach lab,$(if $(BINARIES),,$(DEPENDS)),$(MAKE) -s -C $(LABS)/$(lab) programs SYSTEM="unix win32" &&) :

checker: $(CHECKER) $(LESSONS) $(HINTS)

ifndef BINARIES
# The harness and the probes.
kit:
	@+$(MAKE) -C $(TOP)/grading BUILD=$(BUILD)

# grading/Makefile decides whether the archive is up to date. This rule only compares its time.
$(BUILD)/grading/libharness.a: kit ;

$(CHECKER): $(LABS)/$(LAB)/check.c $(LABS)/$(LAB)/contract.h $(BUILD)/grading/libharness.a $(LABS)/lab.mk
	@mkdir -p $(@D)
	@echo "  cc     $(LAB)/check"
	$(Q)$(CC) $(COMMON) -D_GNU_SOURCE -I$(TOP)/grading/harness -o $@.$$$$ $< $(BUILD)/grading/libharness.a $$(pkg-config --cflags --libs check jansson) && mv $@.$$$$ $@

# The lessons of the known mistakes: the checker prints one if a program fails the same tests.
PATCHES := $(wildcard $(LABS)/$(LAB)/mistakes/*.patch)
$(LESSONS): $(PATCHES) $(TOP)/grading/harness/collect-lessons
	@mkdir -p $(@D)
	$(Q)$(TOP)/grading/harness/collect-lessons $(PATCHES) >$@.$$$$ && mv $@.$$$$ $@

# The calls of each step: the checker names the step of a call that has failed.
$(HINTS): $(wildcard $(foreach s,unix win32,$(LABS)/$(LAB)/$(s)/*_robust.c $(LABS)/$(LAB)/$(s)/server.c $(LABS)/$(LAB)/$(s)/client.c)) $(TOP)/tools/hints $(STARTER)
	@mkdir -p $(@D)
	$(Q)$(TOP)/tools/hints $(LAB) >$@.$$$$ && mv $@.$$$$ $@

# What the kit for students has of this lab. Static, so that it runs on other distributions too. By
# getaddrinfo() the programs look up numbers and localhost only.
STATIC   := $(BUILD)/static/labs/$(LAB)
PARTNERS += $(filter server client server_robust client_robust,$(PROGRAMS))
# And those that the handout's experiments name: $B/capacity, or in backquotes. The sandbox that compiles
# students' programs has no handout.
NAMED_IN_IT := $(if $(wildcard README.md),$(shell sed -n '/^## Experiments/,/^## [^E]/p' README.md | grep -oE '([$$]B/|`)[a-z_]+' | sed 's/^.*[^a-z_]//'))
PARTNERS := $(sort $(PARTNERS) $(filter $(PROGRAMS) $(UNIX),$(NAMED_IN_IT)))
AS_STATIC := -ffile-prefix-map=$(TOP)=. -ffile-prefix-map=$(BUILD)=build -static -s
-include $(TOP)/tools/static.mk # neither the sandbox that compiles nor the kit for students has it

partners: $(PARTNERS:%=$(STATIC)/unix/%) $(if $(HAVE_MINGW),$(patsubst %,$(OUT)/win32/%.exe,$(filter $(PROGRAMS) $(WIN32),$(PARTNERS))))
binaries: partners $(STATIC)/check $(LESSONS) $(HINTS)
	@+$(foreach lab,$(filter-out $(LAB),$(DEPENDS)),$(MAKE) -s -C $(LABS)/$(lab) partners &&) :

$(PARTNERS:%=$(STATIC)/unix/%): $(STATIC)/unix/%: $(SOURCES)/unix/%.c $(HEADERS) $(SHARED_unix) $(LIBRARY_unix) $(LABS)/lab.mk
	@mkdir -p $(@D)
	@echo "  cc     $(LAB)/unix/$*, static"
	$(Q)$(call quietly,$(CC) $(CFLAGS_UNIX) $(AS_STATIC) $< $(SHARED_unix) $(LIBRARY_unix) $(LIBS_$*_unix))

$(STATIC)/check: $(LABS)/$(LAB)/check.c $(LABS)/$(LAB)/contract.h $(BUILD)/grading/libharness.a $(LABS)/lab.mk
	@mkdir -p $(@D)
	@echo "  cc     $(LAB)/check, static"
	$(Q)$(call quietly,$(CC) $(COMMON) $(AS_STATIC) -D_GNU_SOURCE -I$(TOP)/grading/harness $< $(BUILD)/grading/libharness.a $$(pkg-config --static --cflags --libs check jansson))
endif

# ---- Running -----------------------------------------------------------------------------

run: all
	@$(foreach s,$(RUNNABLE),$(NAMESPACE) $(CHECKER) --run --plain --system $(s) $(if $(LIMIT),--limit $(LIMIT)) && ) :

# UNIX, unless SYSTEM says more. What is missing for a system is printed.
trace: all $(if $(WORK),$(foreach s,$(BUILDABLE),$(SHARED_$(s)) $(LIBRARY_$(s))))
	@$(BEGIN_MYWORK) status=0; $(foreach s,$(if $(NAMED),$(SYSTEM),unix),$(if $(filter $(s),$(RUNNABLE)),submissions=; \
	$(if $(WORK),$(lock_theirs) $(call build_theirs,$(s),$(THEIR_OUT)/$(s)) || status=1; $(call their_submissions,$(s))) \
	if [ $$status = 0 ]; then BUILD=$(BUILD) $(TOP)/tools/trace $(CHECKER) $(s) $$submissions $(if $(LIMIT),--limit $(LIMIT)) || status=1; fi,status=1);) exit $$status

# ---- Checking ----------------------------------------------------------------------------

# One run of the checker: $(call judge,SYSTEM,NAME,SUBMISSIONS,COMMAND).
judge = $(NAMESPACE) $(if $(CELL),--bare) $(CHECKER) $(if $(CELL),--cell) --system $(1) $(3) --labs $(if $(BINARIES),$(TOP)/.starters/3,$(LABS)) --command "$(4)" \
	$(if $(TEST),--test '$(TEST)') $(if $(SEED),--seed $(SEED)) $(if $(LIMIT),--limit $(LIMIT)) --json $(call json,$(RESULTS)/$(LAB)-$(1)-$(2).json) $(if $(COUNTED),|| [ $$? -eq 1 ])
# With CELL=yes the checker cannot create files: it gets an open one.
json = $(if $(CELL),/dev/fd/9 9>$(1),$(1))

# Every run for the system $(1): the pair, or the robust programs and the plain pair; each variant
# in place of one of them; each other pair.
BUILT_unix  := $(PROGRAMS) $(UNIX)
BUILT_win32 := $(PROGRAMS) $(WIN32)
runs = check-$(1) $(if $(filter %_robust,$(BUILT_$(1))),check-$(1)-plain) $(foreach v,$(filter $(VARIANTS),$(BUILT_$(1))),check-$(1)-$(v)) \
       $(foreach p,$(PAIRS),$(if $(filter server_$(p),$(BUILT_$(1))),check-$(1)-$(p)))
OURS := $(foreach s,$(RUNNABLE),$(call runs,$(s)))
.PHONY: $(OURS) check-work

# If TEST fits no test of this lab, that is printed once, and not by each run. (A checker that must be built first
# prints it itself.)
UNKNOWN := $(if $(and $(TEST),$(filter check,$(MAKECMDGOALS)),$(wildcard $(CHECKER))),$(shell [ $(LABS)/$(LAB)/check.c -nt $(CHECKER) ] || [ "$$($(CHECKER) --list --test '$(TEST)')" ] || echo yes))
ifdef UNKNOWN
check:
	@mkdir -p $(RESULTS); echo "no test fits "'$(TEST)'"; make list LAB=$(NUMBER) shows the ids" $(if $(COUNTED),>$(RESULTS)/$(LAB).lacks,>&2; exit 1)
else
check: $(if $(WORK),check-work,$(OURS)) unjudged
endif

# Prints what was not judged, and why. This is an error if SYSTEM names it, or if nothing is left.
.PHONY: unjudged
unjudged:
	@$(foreach p,$(if $(WORK),,$(LEFT_OUT)),echo "$(LAB) on unix: $(p) skipped: $(NEEDS_$(p)) is missing; run make doctor";) :
	@status=0; mkdir -p $(RESULTS); $(foreach s,$(SYSTEM),$(if $(LACKS_$(s)),\
	    echo "$(LAB) on $(s): skipped: $(LACKS_$(s)); run make doctor"; \
	    echo "$(s) was not judged: $(LACKS_$(s)); run make doctor" >$(RESULTS)/$(LAB)-$(s).lacks; \
	    $(if $(NAMED)$(if $(RUNNABLE),,none),status=1;))) exit $$status

$(OURS): check-%: all
	@mkdir -p $(RESULTS)
	$(Q)$(eval system := $(firstword $(subst -, ,$*)))$(eval variant := $(word 2,$(subst -, ,$*)))
	$(Q)$(call judge,$(system),$(or $(variant),server),$(call players,$(variant),$(system)) $(call claim,$(variant)),make check LAB=$(NUMBER) SYSTEM=$(system))

# The last stage to judge: all stages if the lab has none yet, for the robust pair, and for the
# programs in ROBUST.
claim = $(if $(ROBUST),$(if $(1),$(if $(filter server_$(1) $(1),$(ROBUST)),,--stage complete)))

# What the checker must judge in place of the pair: --server FILE, --client FILE, --pair NAME.
players = $(if $(filter plain,$(1)),--plain,$(call submission,$(1),$(2)))
submission = $(if $(1),$(if $(filter $(1),$(PAIRS)),--pair $(1),--$(firstword $(subst _, ,$(1))) $(OUT)/$(2)/$(1)$(SUFFIX_$(2))))

# build-program builds students' programs, in the same way for `make check WORK=` and for grading,
# where WORK is in the sandbox. It always builds all of them, because the folder may contain another
# student's programs. They get labs/lib and the libraries of all labs. Errors that only gcc 14
# reports are warnings with every gcc.
THEIR_FLAGS := -Wall -Wextra -Wno-unknown-pragmas -Wno-missing-field-initializers -Wno-error=implicit-function-declaration \
	-Wno-error=incompatible-pointer-types -Wno-error=int-conversion
THEIR_CFLAGS_unix  := $(filter-out $(WARNINGS),$(CFLAGS_UNIX)) $(THEIR_FLAGS)
THEIR_CFLAGS_win32 := $(filter-out $(WARNINGS),$(CFLAGS_WIN32)) $(THEIR_FLAGS)
# The same for C++, which gets a newer standard; a warning about C alone is none there.
THEIR_CXXFLAGS_unix  := $(filter-out -std=c11 -Wno-error=%,$(THEIR_CFLAGS_unix)) -std=c++17 -D_Static_assert=static_assert
THEIR_CXXFLAGS_win32 := $(filter-out -std=c11 -Wno-error=%,$(THEIR_CFLAGS_win32)) -std=c++17 -D_Static_assert=static_assert -fpermissive
THEIR_LIBS_unix  := $(SHARED_unix) $(LIBRARY_unix) -Wl,--as-needed $(shell pkg-config --exists liburing 2>/dev/null && echo -luring) -lrt -lm
THEIR_LIBS_win32 := $(SHARED_win32) $(LIBRARY_win32) -lws2_32 -lmswsock -liphlpapi -lsynchronization -lpsapi -ladvapi32 -lwinmm
build_theirs = CC='$(if $(filter win32,$(1)),$(MINGW),$(CC))' CFLAGS='$(THEIR_CFLAGS_$(1))' \
	CXX='$(if $(filter win32,$(1)),$(MINGW_CXX),$(CXX))' CXXFLAGS='$(THEIR_CXXFLAGS_$(1))' LIBS='$(THEIR_LIBS_$(1))' V='$(V)' \
	$(LABS)/build-program $(1) "$$WORK" $(LAB) $(2)
THEIR_OUT := $(BUILD)/theirs/$(LAB)
# One at a time: `make watch` may be at work in another terminal.
lock_theirs = mkdir -p $(BUILD)/theirs; exec 8>$(THEIR_OUT).lock; flock -n 8 || { echo "waiting for another check of your programs for $(LAB)"; flock 8; }; \
	rm -rf $(THEIR_OUT);
# Sets $submissions to the checker's options for what was built.
their_submissions = submissions=; for p in server client; do \
	f=$(THEIR_OUT)/$(1)/$$p$(SUFFIX_$(1)); if [ -f $$f ]; then submissions="$$submissions --$$p $$f"; fi; \
	if [ -f $(THEIR_OUT)/$(1)/$$p.unbuilt ]; then submissions="$$submissions --unbuilt $$p=$(THEIR_OUT)/$(1)/$$p.unbuilt"; fi; done;

# Each program that was built is judged with ours, then both together. The checker counts the points of
# one that does not compile as lost, and repeats the compiler's first error at its end. Status 1 if one does not
# compile or fails, or if there is none. Results of one program alone, because the other does not
# compile, are not kept: they would look like those of a student who has written only one.
judge_theirs = code=0; $(call build_theirs,$(1),$(THEIR_OUT)/$(1)) || code=$$?; \
	if [ $$code = 0 ] || [ $$code = 1 ]; then any=yes; fi; $(if $(COUNTED),,if [ $$code = 1 ]; then status=1; fi;) \
	$(call their_submissions,$(1)) if [ -n "$$submissions" ]; then \
	$(call judge,$(1),work,$$submissions $(if $(ALL),,--stop) $(if $(LIMIT),,--first-limit 3),make check LAB=$(NUMBER) SYSTEM=$(1)$$typed) || status=1; \
	if [ $$code = 0 ]; then $(TOP)/tools/progress --note $(RESULTS)/$(LAB)-$(1)-work.json $(if $(TEST),'$(TEST)'); \
	elif [ $$code = 1 ]; then $(TOP)/tools/progress --unbuilt $(LAB)-$(1) $(THEIR_OUT)/$(1)/*.unbuilt; fi; fi;

# In the kit for students the first check of a lab writes its starters; so do watch and trace. SYSTEM=unix writes
# those of UNIX, and a later SYSTEM=win32 the others. Without SYSTEM a folder that is missing there stays away.
BEGIN_MYWORK := $(if $(wildcard $(TOP)/.starters/3/$(LAB)),if [ "$$WORK" = $(MYWORK) ]; then new=; for s in $(SYSTEM); do \
	[ -n "$$(find $(MYWORK) -maxdepth 2 -ipath $(MYWORK)/$(LAB)$(if $(NAMED),/$$s))" ] || new="$$new$${new:+ }$$s"; done; \
	if [ -n "$$new" ]; then $(STARTER) --write $(LAB) "$$new" "" $(MYWORK); fi; fi;)

check-work: $(if $(LACKS_RUN),,checker) programs $(foreach s,$(BUILDABLE),$(SHARED_$(s)) $(LIBRARY_$(s)))
	@mkdir -p $(RESULTS)
	@$(lock_theirs) case $$WORK in $(if $(BINARIES),$(MYWORK),-)) typed= ;; *[!A-Za-z0-9_./+,@%-]*) typed=" WORK='$$WORK'" ;; *) typed=" WORK=$$WORK" ;; esac; \
	$(BEGIN_MYWORK) \
	status=0 any=; $(foreach s,$(RUNNABLE),$(call judge_theirs,$(s))) \
	if [ -z "$$any" ]; then status=1; fi; exit $$status

# For grading: builds the programs of WORK that NAMES names.
.PHONY: theirs
theirs: library $(SHARED_$(SYSTEM))
	@$(call build_theirs,$(SYSTEM),$(OUT)/$(SYSTEM)) $(NAMES)

# ---- Beginning --------------------------------------------------------------------------

# DIR may be any path: only the shell sees it.
starter:
	@$(STARTER) --write $(LAB) "$(SYSTEM)" "$$LEVEL" "$$DIR"

submit:
	@$(TOP)/tools/submit $(LAB) "$(if $(NAMED),$(SYSTEM))" "$$WORK" "$$NAME"

# ---- Your own programs, again and again ----------------------------------------------------

# WORK may be any path: only the shell sees it.
watch:
	@$(BEGIN_MYWORK) BUILD=$(BUILD) $(TOP)/tools/watch $(LAB) "$(SYSTEM)" "$${WORK:-$$HOME/mywork}"

hint:
	@$(TOP)/tools/hint $(LAB) "$(SYSTEM)" $(if $(TEST),'$(TEST)')

progress:
	@$(TOP)/tools/progress $(LAB)

# As in the top folder.
help doctor setup:
	@+$(MAKE) --no-print-directory -s -C $(TOP) $@

# ---- Reading -----------------------------------------------------------------------------

# With SYSTEM only the tests of that system; for a student's programs only those that judge them.
list: checker
	@$(CHECKER) $(if $(WORK),--list-pair,--list) $(if $(NAMED),$(if $(word 2,$(SYSTEM)),,--system $(SYSTEM)))

ifdef BINARIES
diff mistakes experiment experiments:
	@echo "make $@ needs the sources of the kit's programs, which are not in this kit" >&2; exit 2
else
# For the systems that SYSTEM names, or both. Without the markers of starters.
diff:
	@$(foreach s,$(SYSTEM),$(foreach p,$(patsubst %_robust,%,$(filter server_robust client_robust,$(BUILT_$(s)))),\
	$(STARTER) --full $(LABS)/$(LAB)/$(s)/$(p).c | diff --color=auto -u --label $(s)/$(p).c --label $(s)/$(p)_robust.c \
	    - $(LABS)/$(LAB)/$(s)/$(p)_robust.c;)) :

# ---- Mistakes ----------------------------------------------------------------------------

# Unusual programs that are right are proved like mistakes: they must pass all tests.
MISTAKES := $(basename $(notdir $(PATCHES) $(wildcard $(LABS)/$(LAB)/unusual/*.patch)))
.PHONY: $(MISTAKES:%=mistake-%)

mistakes: $(MISTAKES:%=mistake-%)

$(MISTAKES:%=mistake-%): mistake-%: all
	@+ROBUST="$(ROBUST)" $(TOP)/grading/harness/mistake prove $(LAB) $* "$(RUNNABLE)"

experiments:
	@$(TOP)/tools/experiments $(LAB)

experiment: all
	@+ROBUST="$(ROBUST)" $(TOP)/grading/harness/mistake show $(LAB) "$(M)" "$(RUNNABLE)"
endif

endif
