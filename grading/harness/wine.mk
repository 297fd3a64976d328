# wine.mk - whether Windows programs run on this machine. A makefile that includes it must set
# TOP, BUILD and SYSTEM before. It sets
#
#     LACKS_WINE       why they do not run, in words; empty if they do, or if SYSTEM is without win32
#     WINE_TEMPLATE    the Wine prefix that every run of a checker clones
#
# The first make tries Wine, and makes the template. The makes that it starts inherit the answer.
# A missing or broken Wine is no error of make: the UNIX half does not need it.

export WINE_TEMPLATE ?= $(BUILD)/wine-template

# Through WSL, Windows programs run on Windows itself.
ifneq ($(filter win32,$(SYSTEM)),)
ifeq ($(wildcard /proc/sys/fs/binfmt_misc/WSLInterop*),)
ifndef WINE_STATE
WINE_STATE := $(or $(shell $(TOP)/grading/harness/wine-template --state $(WINE_TEMPLATE)),works)
export WINE_STATE
endif
ifneq ($(WINE_STATE),works)
LACKS_WINE := $(WINE_STATE)
endif
endif
endif
