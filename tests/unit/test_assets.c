/* SPDX-License-Identifier: PostgreSQL */
/* The table that the build generates and the look-up that relies on its order. Runs from the top of
 * the tree, as `make unit` does: the bytes in the binary are compared with the files. */
#include "assets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_table_is_sorted_and_found(void **state)
{
    (void)state;
    assert_true(n_assets > 0);
    for (size_t i = 0; i < n_assets; i++) {
        if (i > 0) {
            assert_true(strcmp(assets[i - 1].path, assets[i].path) < 0);
        }
        assert_ptr_equal(assets_find(assets[i].path), &assets[i]);
        assert_int_equal(assets[i].body[assets[i].len], '\0');
    }
}

static void test_unknown_paths(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "", "/", "web", "web/", "web/pgherald.j", "web/pgherald.jsx", "src/web/pgherald.js", "zzz"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_null(assets_find(paths[i]));
    }
}

static void test_bytes_are_the_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_assets; i++) {
        const struct asset *asset = &assets[i];
        if (strstr(asset->path, ".html") && strncmp(asset->path, "docs/", 5) == 0) {
            continue; /* made by the build */
        }
        char path[512];
        snprintf(path, sizeof path, "%s%s", strncmp(asset->path, "web/", 4) == 0 ? "src/" : "",
                 asset->path);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        char *bytes = malloc(asset->len + 1);
        assert_non_null(bytes);
        assert_int_equal(fread(bytes, 1, asset->len + 1, file), asset->len);
        assert_memory_equal(bytes, asset->body, asset->len);
        free(bytes);
        fclose(file);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sorted_and_found),
        cmocka_unit_test(test_unknown_paths),
        cmocka_unit_test(test_bytes_are_the_files),
    };
    return cmocka_run_group_tests_name("assets", tests, NULL, NULL);
}
