# class.mk - has one target per submission, which make schedules. `grade` calls it:
#
#     make -f grading/class/class.mk -k -j N      with RESULTS and GRADE_SUBMISSION in the environment
#
# Ids consist of letters, digits, "_", "." and "-"; the paths stay in the environment, where
# blanks do no harm.

IDS := $(shell cat "$$RESULTS/.grade/ids")

.PHONY: all $(IDS:%=student-%)
all: $(IDS:%=student-%)

$(IDS:%=student-%): student-%:
	@"$$GRADE_SUBMISSION" "$$RESULTS" '$*'
