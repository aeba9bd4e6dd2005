/* Writes headers of members as ustar, with a pax header before them for names that do not fit. */
#include "dataset/tar.h"

#include "base/status.h"

#include <stdio.h>
#include <string.h>

typedef struct ustar {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[6], version[2];
    char user[32], group[32], major[8], minor[8], prefix[155], pad[12];
} ustar;

_Static_assert(sizeof(ustar) == TAR_BLOCK, "a header is one block");

/** Octal in n bytes, the last of which is 0; base 256 if the number is too large. */
static void put_number(char *field, size_t n, uint64_t v) {
    if (v >> (3 * (n - 1)) != 0) {
        for (size_t i = n; i-- > 1; v >>= 8)
            field[i] = (char)(v & 255);
        field[0] = (char)0x80;
        return;
    }
    field[n - 1] = 0;
    for (size_t i = n - 1; i-- > 0; v >>= 3)
        field[i] = (char)('0' + (v & 7));
}

static void seal(ustar *h) {
    unsigned sum = 0;
    memset(h->sum, ' ', sizeof h->sum);
    for (const unsigned char *p = (const unsigned char *)h; p < (const unsigned char *)(h + 1); p++)
        sum += *p;
    put_number(h->sum, 7, sum);
}

/** @return whether the name fits, in one part or two */
static bool put_name(ustar *h, const char *name) {
    size_t n = strlen(name);
    if (n <= sizeof h->name) {
        memcpy(h->name, name, n);
        return true;
    }
    for (size_t cut = n - 1; cut > 0; cut--) {
        if (name[cut] != '/' || cut > sizeof h->prefix || n - cut - 1 > sizeof h->name || cut + 1 == n)
            continue;
        memcpy(h->prefix, name, cut);
        memcpy(h->name, name + cut + 1, n - cut - 1);
        return true;
    }
    return false;
}

static ustar header_of(uint64_t size, char type) {
    ustar h = {.type = type, .magic = "ustar", .version = {'0', '0'}};
    put_number(h.mode, sizeof h.mode, 0644);
    put_number(h.uid, sizeof h.uid, 0);
    put_number(h.gid, sizeof h.gid, 0);
    put_number(h.mtime, sizeof h.mtime, 0);
    put_number(h.size, sizeof h.size, size);
    return h;
}

/** "LENGTH path=NAME\n", where LENGTH includes its own digits. */
static int put_pax(text *out, const char *name) {
    static const char zeros[TAR_BLOCK];
    int rc = OK;
    char length[24];
    size_t n = strlen(name) + strlen(" path=\n"), total = n + 1;
    while (n + (size_t)snprintf(length, sizeof length, "%zu", total) != total)
        total++;
    ustar h = header_of(total, 'x');
    put_name(&h, "pax_header");
    seal(&h);
    TRY(text_append(out, &h, sizeof h));
    TRY(text_printf(out, "%s path=%s\n", length, name));
    TRY(text_append(out, zeros, tar_padding(total)));
done:
    return rc;
}

int tar_put_header(text *out, const char *name, uint64_t size) {
    int rc = OK;
    ustar h = header_of(size, '0');
    if (!put_name(&h, name)) {
        TRY(put_pax(out, name));
        memcpy(h.name, name, sizeof h.name); /* the truncated name, for readers without pax */
    }
    seal(&h);
    TRY(text_append(out, &h, sizeof h));
done:
    return rc;
}
