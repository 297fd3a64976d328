# static.mk - how programs for the kit for students are linked. labs/lab.mk and grading/Makefile include it.

# $(call quietly,COMMAND...): compiles the target. What the command prints is shown only if it fails: a static
# getaddrinfo() is a warning of the linker. The program appears whole or not at all, and the scratch files are in
# no folder that tools/student-kit copies: another make may do that at the same time.
quietly = new=$$(mktemp -d $(BUILD)/static/XXXXXX) && if $(1) -o $$new/program 2>$$new/log; then mv $$new/program $@; \
	else cat $$new/log >&2; false; fi; status=$$?; rm -rf $$new; exit $$status
