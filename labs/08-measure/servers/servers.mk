# servers.mk - builds the programs that measure servers; ../Makefile includes it.
#
# By its contract.h a server of lab 05 accepts 500 clients. To measure 10,000 clients, these
# servers are built from the same sources by the same rules, with a contract.h that contains
# 20,000. Some are built once more with a log_text() that drops the line for each message, to measure
# its price.

UNDER_LOAD := $(OUT)/servers
LABS   := $(TOP)/labs
LOADERS := $(addprefix $(UNDER_LOAD)/,load fanout fault_injection)
COMPARED := $(foreach pair,uv:libuv event:libevent,\
    $(if $(shell pkg-config --exists $(lastword $(subst :, ,$(pair))) 2>/dev/null && echo yes),$(UNDER_LOAD)/compare_$(firstword $(subst :, ,$(pair)))))

$(UNDER_LOAD)/compare_uv: LIBRARIES = $(shell pkg-config --cflags --libs libuv)
$(UNDER_LOAD)/compare_event: LIBRARIES = $(shell pkg-config --cflags --libs libevent)

$(LOADERS) $(COMPARED): $(UNDER_LOAD)/%: servers/%.c servers/instrument.c servers/instrument.h $(LIBRARY_unix) $(LABS)/06-iocp/contract.h
	@mkdir -p $(@D)
	@echo "  cc     $(LAB)/servers/$(@F)"
	$(Q)$(CC) $(CFLAGS_UNIX) -o $@ $< servers/instrument.c $(LIBRARY_unix) $(LIBRARIES)

# Sources of lab 05 as lab.mk's SOURCES takes them: links, and the headers that differ.
$(UNDER_LOAD)/05-sources/contract.h: $(LABS)/05-sockets/contract.h servers/servers.mk
	@mkdir -p $(@D) && ln -sfn $(LABS)/05-sockets/unix $(@D)/unix && ln -sfn $(LABS)/05-sockets/win32 $(@D)/win32
	@sed 's/^#define MAX_CLIENTS .*/#define MAX_CLIENTS 20000/' $< >$@

$(UNDER_LOAD)/05-silent-sources/ipclab.h: $(UNDER_LOAD)/05-sources/contract.h servers/log_less.h
	@mkdir -p $(@D) && ln -sfn $(LABS)/05-sockets/unix $(@D)/unix && ln -sfn $(LABS)/05-sockets/win32 $(@D)/win32
	@cp $< $(@D)/contract.h && cp servers/log_less.h $@

.PHONY: servers
servers: $(if $(LACKS_unix),,$(LOADERS) $(COMPARED) $(UNDER_LOAD)/05-silent-sources/ipclab.h)
	@+$(if $^,$(MAKE) -s -C $(LABS)/05-sockets programs SYSTEM="$(HERE)" SOURCES=$(UNDER_LOAD)/05-sources OUT=$(UNDER_LOAD)/05 \
	    PROGRAMS="server server_select server_handoff worker")
	@+$(if $^,$(MAKE) -s -C $(LABS)/05-sockets programs SYSTEM="$(HERE)" SOURCES=$(UNDER_LOAD)/05-silent-sources OUT=$(UNDER_LOAD)/05-silent \
	    PROGRAMS=server UNIX=server_poll WIN32=)
	@+$(if $^,$(MAKE) -s -C $(LABS)/06-iocp programs SYSTEM="$(HERE)" OUT=$(UNDER_LOAD)/06)
	@+$(if $^,$(MAKE) -s -C $(LABS)/09-messenger programs SYSTEM="$(HERE)" OUT=$(UNDER_LOAD)/09 PROGRAMS=server)
