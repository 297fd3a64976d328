# class.mk - one target per submission, for make to schedule. `grade` calls it:
#
#     make -f grading/class.mk -k -j N      with RESULTS and ONE in the environment
#
# Ids consist of letters, digits, "_", "." and "-"; the paths stay in the environment, where
# blanks do no harm.

IDS := $(shell cat "$$RESULTS/.grade/ids")

.PHONY: all $(IDS:%=student-%)
all: $(IDS:%=student-%)

$(IDS:%=student-%): student-%:
	@"$$ONE" "$$RESULTS" '$*'
