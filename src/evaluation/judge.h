/** What the network says of one labelled image: softmax of its logits, the loss, the rank of the true class. */
#ifndef LINNET_EVALUATION_JUDGE_H
#define LINNET_EVALUATION_JUDGE_H

typedef struct judgement {
    int predicted;      /* the largest logit; the first of equal ones */
    double probability; /* of the predicted class */
    double loss;        /* cross-entropy of the true one; infinite for NaN logits: nothing is more wrong */
    int rank;           /* of the true class, from 0; ties count against it as in engine_result_data */
} judgement;

/** @param logits (classes) */
judgement judge(const double *logits, int classes, int label);

#endif
