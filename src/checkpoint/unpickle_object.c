/* The opcodes for globals and objects. Objects of classes that rebuild.c does not know become opaque values. */

#include "base/status.h"
#include "checkpoint/unpickle.h"
#include "checkpoint/unpickler.h"

#include <string.h>

static int push_global(unpickler *u, const char *module, size_t module_n, const char *name, size_t name_n) {
    value *v = NULL;
    int rc = unpickler_push_new(u, &v, VALUE_GLOBAL);
    if (rc == OK)
        rebuild_global(v, u->pool, module, module_n, name, name_n);
    return rc;
}

static int push_opaque(unpickler *u, const char *what) {
    value *v = NULL;
    int rc = unpickler_push_new(u, &v, VALUE_OPAQUE);
    if (rc == OK) {
        value_set_opaque(v, what);
        pool_skip(u->pool, v);
    }
    return rc;
}

int op_global(unpickler *u, unsigned char code) {
    (void)code;
    int rc = OK;
    const char *module = NULL, *name = NULL;
    size_t module_n = 0, name_n = 0;
    TRY(unpickler_take_line(u, &module, &module_n));
    TRY(unpickler_take_line(u, &name, &name_n));
    TRY(push_global(u, module, module_n, name, name_n));
done:
    return rc;
}

int op_stack_global(unpickler *u, unsigned char code) {
    (void)code;
    int rc = OK;
    value *module = NULL, *name = NULL;
    TRY(unpickler_pop(u, &name));
    TRY(unpickler_pop(u, &module));
    if (module->kind != VALUE_STRING || name->kind != VALUE_STRING)
        rc = fail(E_FORMAT, "the name of a global is not a string");
    else
        rc = push_global(u, module->string.s, module->string.n, name->string.s, name->string.n);
done:
    return rc;
}

/** EXT1, EXT2, EXT4: a number that stands for a global. */
int op_extension(unpickler *u, unsigned char code) {
    uint64_t number = 0;
    int rc = unpickler_take_number(u, &number, (size_t)1 << (code - 0x82));
    return rc == OK ? push_opaque(u, "copyreg extension") : rc;
}

/** Pushes the result of calling a global. A call of an opaque value gives an opaque value of the same name. */
static int push_call(unpickler *u, value *callable, value *arguments) {
    int rc = OK;
    value *result = callable;
    if (callable->kind != VALUE_OPAQUE && callable->kind != VALUE_GLOBAL)
        return fail(E_FORMAT, "the pickle calls an object that is not callable");
    if (callable->kind == VALUE_GLOBAL && arguments->kind == VALUE_OPAQUE)
        result = arguments;
    else if (callable->kind == VALUE_GLOBAL && arguments->kind != VALUE_TUPLE)
        return fail(E_FORMAT, "the pickle calls an object with arguments that are not a tuple");
    else if (callable->kind == VALUE_GLOBAL) {
        TRY(unpickler_count(u));
        TRY(rebuild_call(&result, u->pool, callable, arguments));
    }
    TRY(unpickler_push(u, result));
done:
    return rc;
}

/** REDUCE and NEWOBJ, which are equivalent for all known globals. */
int op_call(unpickler *u, unsigned char code) {
    (void)code;
    int rc = OK;
    value *arguments = NULL, *callable = NULL;
    TRY(unpickler_pop(u, &arguments));
    TRY(unpickler_pop(u, &callable));
    TRY(push_call(u, callable, arguments));
done:
    return rc;
}

/** NEWOBJ_EX: with keyword arguments, which no known global has. */
int op_call_with_names(unpickler *u, unsigned char code) {
    value *names = NULL;
    int rc = unpickler_pop(u, &names);
    return rc == OK ? op_call(u, code) : rc;
}

/** INST and OBJ, with which protocols 0 and 1 make objects: no known global is called so. */
int op_instance(unpickler *u, unsigned char code) {
    int rc = OK;
    value **items = NULL, *class = NULL;
    size_t n = 0;
    if (code == 'i') {
        TRY(op_global(u, 'c'));
        TRY(unpickler_pop(u, &class));
    }
    TRY(unpickler_pop_mark(u, &items, &n));
    if (code == 'o' && n > 0)
        class = items[0];
    if (class != NULL && class->kind == VALUE_OPAQUE)
        rc = unpickler_push(u, class);
    else
        rc = fail(E_FORMAT, "the pickle calls an object that is not callable");
done:
    return rc;
}

/** BUILD: sets attributes of an OrderedDict (a state_dict's _metadata) or of an opaque object. They are ignored. */
int op_build(unpickler *u, unsigned char code) {
    (void)code;
    int rc = OK;
    value *state = NULL, *object = NULL;
    TRY(unpickler_pop(u, &state));
    TRY(unpickler_top(u, &object));
    if (object->kind != VALUE_DICT && object->kind != VALUE_OPAQUE)
        rc = fail(E_FORMAT, "attributes are set on a value that has none");
done:
    return rc;
}

/** BINPERSID: torch.save uses it for storages, and before PyTorch 1.6 for classes: ('module', class, ...). */
int op_persistent(unpickler *u, unsigned char code) {
    (void)code;
    int rc = OK;
    value *id = NULL, *v = NULL;
    TRY(unpickler_pop(u, &id));
    bool tuple = id->kind == VALUE_TUPLE && id->list.n > 1;
    if (tuple && value_is_string(id->list.items[0], "module") && id->list.items[1]->kind == VALUE_OPAQUE) {
        rc = unpickler_push(u, id->list.items[1]);
        goto done;
    }
    if (!tuple || !value_is_string(id->list.items[0], "storage")) {
        rc = push_opaque(u, "persistent id");
        goto done;
    }
    TRY(unpickler_push_new(u, &v, VALUE_STORAGE));
    TRY(rebuild_storage(v, u->pool, id));
done:
    return rc;
}

/** PERSID, of protocol 0. */
int op_persistent_line(unpickler *u, unsigned char code) {
    (void)code;
    const char *id = NULL;
    size_t n = 0;
    int rc = unpickler_take_line(u, &id, &n);
    return rc == OK ? push_opaque(u, "persistent id") : rc;
}
