/* GEMM with register tiles: simple, and fast enough to verify a ResNet-50. */
#include "backend/ref/ref.h"

enum { ROWS = 4, COLUMNS = 8 };

static void full_tile(double *restrict c, size_t c_row, const double *restrict a, size_t a_row, size_t a_column,
                      const double *restrict b, size_t b_row, int depth) {
    double sum[ROWS][COLUMNS];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            sum[i][j] = c[(size_t)i * c_row + (size_t)j];
    for (int k = 0; k < depth; k++, a += a_column, b += b_row)
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < COLUMNS; j++)
                sum[i][j] += a[(size_t)i * a_row] * b[j];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            c[(size_t)i * c_row + (size_t)j] = sum[i][j];
}

static void edge_tile(double *c, size_t c_row, const double *a, size_t a_row, size_t a_column, const double *b,
                      size_t b_row, int rows, int columns, int depth) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            double sum = c[(size_t)i * c_row + (size_t)j];
            for (int k = 0; k < depth; k++)
                sum += a[(size_t)i * a_row + (size_t)k * a_column] * b[(size_t)k * b_row + (size_t)j];
            c[(size_t)i * c_row + (size_t)j] = sum;
        }
}

void ref_gemm(double *c, size_t c_row, const double *a, size_t a_row, size_t a_column, const double *b, size_t b_row,
              int rows, int columns, int depth) {
    for (int j = 0; j < columns; j += COLUMNS)
        for (int i = 0; i < rows; i += ROWS) {
            double *to = c + (size_t)i * c_row + (size_t)j;
            const double *from = a + (size_t)i * a_row;
            if (rows - i >= ROWS && columns - j >= COLUMNS)
                full_tile(to, c_row, from, a_row, a_column, b + j, b_row, depth);
            else
                edge_tile(to, c_row, from, a_row, a_column, b + j, b_row, rows - i < ROWS ? rows - i : ROWS,
                          columns - j < COLUMNS ? columns - j : COLUMNS, depth);
        }
}
