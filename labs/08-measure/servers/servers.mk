# servers.mk - what the measuring of servers builds; ../Makefile includes it.
#
# Lab 05's servers hold 500 clients, by their contract.h. To be measured with 10,000 they are
# built by their own rules from their own sources, but with a contract.h that says 20,000; and
# some once more with a say() that drops the line for each message, to tell its price.

UNDER_LOAD := $(OUT)/servers
LABS   := $(TOP)/labs
LOADERS := $(addprefix $(UNDER_LOAD)/,load sabotage)
COMPARED := $(foreach pair,uv:libuv event:libevent,\
    $(if $(shell pkg-config --exists $(lastword $(subst :, ,$(pair))) 2>/dev/null && echo yes),$(UNDER_LOAD)/compare_$(firstword $(subst :, ,$(pair)))))

$(UNDER_LOAD)/compare_uv: LIBRARIES = $(shell pkg-config --cflags --libs libuv)
$(UNDER_LOAD)/compare_event: LIBRARIES = $(shell pkg-config --cflags --libs libevent)

$(LOADERS) $(COMPARED): $(UNDER_LOAD)/%: servers/%.c $(LABS)/say.h $(LABS)/fail.h $(LABS)/06-iocp/contract.h
	@mkdir -p $(@D)
	@echo "  cc     $(LAB)/servers/$(@F)"
	$(Q)$(CC) $(CFLAGS_UNIX) -o $@ $< $(LIBRARIES)

# Sources of lab 05 as lab.mk's SOURCES takes them: links, and the headers that differ.
$(UNDER_LOAD)/05-sources/contract.h: $(LABS)/05-sockets/contract.h servers/servers.mk
	@mkdir -p $(@D) && ln -sfn $(LABS)/05-sockets/unix $(@D)/unix && ln -sfn $(LABS)/05-sockets/win32 $(@D)/win32
	@sed 's/^#define MAX_CLIENTS .*/#define MAX_CLIENTS 20000/' $< >$@

$(UNDER_LOAD)/05-silent-sources/say.h: $(UNDER_LOAD)/05-sources/contract.h servers/say_less.h
	@mkdir -p $(@D) && ln -sfn $(LABS)/05-sockets/unix $(@D)/unix && ln -sfn $(LABS)/05-sockets/win32 $(@D)/win32
	@cp $< $(@D)/contract.h && cp servers/say_less.h $@

.PHONY: servers
servers: $(if $(LACKS_unix),,$(LOADERS) $(COMPARED) $(UNDER_LOAD)/05-silent-sources/say.h)
	@+$(if $^,$(MAKE) -s -C $(LABS)/05-sockets programs SYSTEM="$(HERE)" SOURCES=$(UNDER_LOAD)/05-sources OUT=$(UNDER_LOAD)/05 \
	    PROGRAMS="server server_select server_handoff worker")
	@+$(if $^,$(MAKE) -s -C $(LABS)/05-sockets programs SYSTEM="$(HERE)" SOURCES=$(UNDER_LOAD)/05-silent-sources OUT=$(UNDER_LOAD)/05-silent \
	    PROGRAMS=server UNIX=server_poll WIN32=)
	@+$(if $^,$(MAKE) -s -C $(LABS)/06-iocp programs SYSTEM="$(HERE)" OUT=$(UNDER_LOAD)/06)
