# First version: the real one follows. VARIANT: release debug asan tsan
VARIANT ?= debug
B := build/$(VARIANT)
PKGS := libpq libwebsockets jansson openssl libuv
CFLAGS_debug := -O0 -g
CFLAGS_release := -O2 -g
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer
CFLAGS_tsan := -O1 -g -fsanitize=thread
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wformat=2 -Wvla -Wundef -Wswitch-enum
SRC := $(shell find src -name '*.c')
OBJ := $(SRC:src/%.c=$(B)/%.o)
$(B)/pgherald: $(OBJ)
	$(CC) $(CFLAGS_$(VARIANT)) -o $@ $^ $(shell pkg-config --libs $(PKGS)) -lconfuse -lpthread
$(B)/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE -Isrc $(WARN) $(CFLAGS_$(VARIANT)) $(shell pkg-config --cflags $(PKGS)) -MMD -c -o $@ $<
-include $(OBJ:.o=.d)
