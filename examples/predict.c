/* Predicts one image: the five most probable classes, as `linnet predict` prints them.
 *
 *      predict CHECKPOINT IMAGE */
#include <linnet/linnet.h>

#include <stdio.h>
#include <stdlib.h>

enum { TOP = 5 };

static int predict(linnet_model *model, const char *image) {
    float *logits = malloc((size_t)linnet_model_classes(model) * sizeof *logits);
    int label[TOP], n = LINNET_E_NOMEM;
    double probability[TOP];
    if (logits != NULL && (n = linnet_model_predict_file(logits, model, image)) == 0)
        n = linnet_model_top(label, probability, model, logits, TOP);
    for (int i = 0; i < n; i++) {
        const char *name = linnet_model_class_name(model, label[i]);
        printf("%d,%s,%.6g\n", label[i], name != NULL ? name : "", probability[i]);
    }
    free(logits);
    return n < 0 ? n : 0;
}

int main(int argc, char **argv) {
    linnet_model *model = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: predict CHECKPOINT IMAGE\n");
        return 2;
    }
    int rc = linnet_model_open(&model, argv[1], NULL);
    if (rc == 0) {
        fprintf(stderr, "%s with %d classes, %d pixels, %s\n", linnet_model_arch(model), linnet_model_classes(model),
                linnet_model_image_size(model), linnet_model_device(model));
        rc = predict(model, argv[2]);
    }
    if (rc < 0)
        fprintf(stderr, "predict: %s\n", linnet_error());
    linnet_model_close(model);
    return rc < 0;
}
