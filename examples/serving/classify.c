/* Classifies images with the ONNX file of `linnet export` and ONNX Runtime's C API:
 *
 *     linnet export last.ckpt --format onnx --out model.onnx
 *     cc -o classify classify.c $(pkg-config --cflags --libs libonnxruntime jansson) -lm
 *     ./classify model.onnx a.ppm b.ppm
 *
 * The images are binary PPM files that have the size of the model's input, since ONNX Runtime does not decode or
 * resize: `convert a.jpg -resize 256^ -gravity center -extent 224x224 a.ppm`. All images form one batch. Prints one
 * line per image: file, most probable class and probability, separated by tabs. Debian: libonnxruntime-dev (13 or
 * later), libjansson-dev. */
#include <jansson.h>
#include <math.h>
#include <onnxruntime_c_api.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const OrtApi *api;

static void die(const char *what, const char *why) {
    fprintf(stderr, "classify: %s: %s\n", what, why);
    exit(1);
}

/** Ends the program if `status`, the result of a call of ONNX Runtime, is an error. */
static void check(OrtStatus *status) {
    if (status != NULL)
        die("ONNX Runtime", api->GetErrorMessage(status));
}

static void *allocate(size_t n, size_t bytes) {
    void *p = calloc(n, bytes);
    if (p == NULL)
        die("memory", "not enough");
    return p;
}

/** Side of the square input (batch, 3, side, side) of the model, in pixels. */
static int64_t input_side(const OrtSession *session) {
    OrtTypeInfo *type;
    const OrtTensorTypeAndShapeInfo *tensor; /* belongs to `type` */
    int64_t shape[4] = {0};
    size_t n;
    check(api->SessionGetInputTypeInfo(session, 0, &type));
    check(api->CastTypeInfoToTensorInfo(type, &tensor));
    check(api->GetDimensionsCount(tensor, &n));
    if (n != 4)
        die("the model", "its input is not a batch of images");
    check(api->GetDimensions(tensor, shape, n));
    api->ReleaseTypeInfo(type);
    if (shape[1] != 3 || shape[2] < 1 || shape[2] != shape[3])
        die("the model", "its input is not 3 x side x side");
    return shape[2];
}

/** The class names, in the order of the logits: a JSON array, to be released by json_decref. */
static json_t *class_names(const OrtSession *session) {
    OrtModelMetadata *metadata;
    OrtAllocator *allocator;
    json_t *names = NULL;
    char *text;
    check(api->GetAllocatorWithDefaultOptions(&allocator));
    check(api->SessionGetModelMetadata(session, &metadata));
    check(api->ModelMetadataLookupCustomMetadataMap(metadata, allocator, "input_range", &text));
    if (text == NULL || strcmp(text, "[0,1]") != 0)
        die("the model", "its input is not RGB in [0, 1]: export it without --raw");
    check(api->AllocatorFree(allocator, text));
    check(api->ModelMetadataLookupCustomMetadataMap(metadata, allocator, "class_names", &text));
    if (text != NULL) {
        names = json_loads(text, 0, NULL);
        check(api->AllocatorFree(allocator, text));
    }
    api->ReleaseModelMetadata(metadata);
    return json_is_array(names) ? names : json_array();
}

/** Reads a PPM of side x side pixels to out: (3, side, side), in [0, 1]. */
static void read_image(float *out, const char *path, int64_t side) {
    size_t pixels = (size_t)(side * side);
    uint8_t *bytes = allocate(3, pixels);
    int width, height, largest;
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        die(path, "cannot be opened");
    if (fscanf(f, "P6 %d %d %d", &width, &height, &largest) != 3 || fgetc(f) == EOF || width != side ||
        height != side || largest != 255)
        die(path, "is not a binary PPM of the model's input size");
    if (fread(bytes, 3, pixels, f) != pixels)
        die(path, "is incomplete");
    fclose(f);
    for (size_t i = 0; i < pixels; i++)
        for (size_t channel = 0; channel < 3; channel++)
            out[channel * pixels + i] = (float)bytes[3 * i + channel] / 255;
    free(bytes);
}

/** Prints the most probable class of one image. @param logits (n) before softmax */
static void print_class(const char *path, const float *logits, size_t n, const json_t *names) {
    size_t best = 0;
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - logits[best]);
    const char *name = json_string_value(json_array_get(names, best));
    printf("%s\t%s\t%.6f\n", path, name != NULL ? name : "", 1 / sum);
}

/** Computes and prints the classes of n images. */
static void classify(OrtSession *session, char *const *paths, size_t n) {
    int64_t side = input_side(session), shape[4] = {(int64_t)n, 3, side, side};
    size_t values = (size_t)(3 * side * side), count;
    float *images = allocate(n * values, sizeof *images), *logits;
    json_t *names = class_names(session);
    OrtMemoryInfo *memory;
    OrtTensorTypeAndShapeInfo *info;
    OrtValue *in, *out = NULL;
    for (size_t i = 0; i < n; i++)
        read_image(images + i * values, paths[i], side);
    check(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    check(api->CreateTensorWithDataAsOrtValue(memory, images, n * values * sizeof *images, shape, 4,
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &in));
    check(api->Run(session, NULL, (const char *const[]){"images"}, (const OrtValue *const[]){in}, 1,
                   (const char *const[]){"logits"}, 1, &out));
    check(api->GetTensorTypeAndShape(out, &info));
    check(api->GetTensorShapeElementCount(info, &count));
    check(api->GetTensorMutableData(out, (void **)&logits));
    for (size_t i = 0; i < n; i++)
        print_class(paths[i], logits + i * (count / n), count / n, names);
    api->ReleaseTensorTypeAndShapeInfo(info);
    api->ReleaseValue(out);
    api->ReleaseValue(in);
    api->ReleaseMemoryInfo(memory);
    json_decref(names);
    free(images);
}

int main(int argc, char **argv) {
    OrtEnv *environment;
    OrtSessionOptions *options;
    OrtSession *session;
    if (argc < 3) {
        fprintf(stderr, "usage: classify MODEL.onnx IMAGE.ppm...\n");
        return 2;
    }
    api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (api == NULL)
        die("ONNX Runtime", "the library is older than the header");
    check(api->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "classify", &environment));
    check(api->CreateSessionOptions(&options));
    check(api->CreateSession(environment, argv[1], options, &session));
    classify(session, argv + 2, (size_t)argc - 2);
    api->ReleaseSession(session);
    api->ReleaseSessionOptions(options);
    api->ReleaseEnv(environment);
    return 0;
}
