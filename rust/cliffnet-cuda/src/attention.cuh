// Features of attention of one channel: what queries and keys compare, and the way back. BLADES, INNER, IDEAL and the tables
// come from the comparison.

// Coordinates of a point scaled by the normaliser, the finite one last.
struct Point {
    real raw[IDEAL + 1], at[IDEAL + 1], normaliser, squares;
};

LANE Point point_of(const storage* blades, i64 blade_stride, real epsilon) {
    Point point;
#pragma unroll
    for (int axis = 0; axis <= IDEAL; ++axis) {
        point.raw[axis] = widen(__ldg(blades + POINT_BLADE[axis] * blade_stride));
    }
    const real b = point.raw[IDEAL];
    point.normaliser = b / (b * b + epsilon);
    point.squares = 0;
#pragma unroll
    for (int axis = 0; axis <= IDEAL; ++axis) {
        point.at[axis] = point.raw[axis] * point.normaliser;
        if (axis < IDEAL) {
            point.squares += point.at[axis] * point.at[axis];
        }
    }
    return point;
}

LANE void write_features(
    bool is_query, const storage* blades, i64 blade_stride, real weight, real epsilon, storage* to, i64 step
) {
#pragma unroll 16
    for (int i = 0; i < INNER; ++i) {
        const real blade = widen(__ldg(blades + INNER_BLADE[i] * blade_stride));
        to[i * step] = narrow(is_query ? INNER_WEIGHT[i] * blade : blade);
    }
    if (IDEAL == 0) {
        return;
    }
    const Point point = point_of(blades, blade_stride, epsilon);
    const real b = point.at[IDEAL];
    storage* distances = to + INNER * step;
    distances[0] = narrow(is_query ? -(weight * point.squares) : b * b);
    distances[step] = narrow(is_query ? -(weight * b * b) : point.squares);
    const real factor = is_query ? 2 * weight * b : b;
#pragma unroll
    for (int axis = 0; axis < IDEAL; ++axis) {
        distances[(axis + 2) * step] = narrow(factor * point.at[axis]);
    }
}

// Dot product of the ideal coordinates and the cotangents of their products with the finite one.
LANE real mixed_product(const Point& point, const storage* distances, i64 step) {
    real mixed = 0;
#pragma unroll
    for (int axis = 0; axis < IDEAL; ++axis) {
        mixed += point.at[axis] * widen(__ldg(distances + (axis + 2) * step));
    }
    return mixed;
}

// The gradient by the weight of the distances of a channel of queries.
LANE real weight_gradient(const storage* blades, i64 blade_stride, real epsilon, const storage* cotangents, i64 step) {
    if (IDEAL == 0) {
        return 0;
    }
    const storage* distances = cotangents + INNER * step;
    const Point point = point_of(blades, blade_stride, epsilon);
    const real first = widen(__ldg(distances)), second = widen(__ldg(distances + step)), b = point.at[IDEAL];
    return 2 * b * mixed_product(point, distances, step) - point.squares * first - b * b * second;
}

// The gradient by a blade that the inner product gives.
LANE real inner_gradient(bool is_query, int blade, const storage* cotangents, i64 step) {
    if (FEATURE_OF[blade] < 0) {
        return 0;
    }
    const real cotangent = widen(__ldg(cotangents + FEATURE_OF[blade] * step));
    return is_query ? INNER_WEIGHT[FEATURE_OF[blade]] * cotangent : cotangent;
}

LANE void write_gradients(
    bool is_query, const storage* blades, i64 blade_stride, real weight, real epsilon, const storage* cotangents, i64 step,
    storage* to, i64 to_stride
) {
    real by_point[IDEAL + 1];
    if (IDEAL > 0) {
        const storage* distances = cotangents + INNER * step;
        const Point point = point_of(blades, blade_stride, epsilon);
        const real first = widen(__ldg(distances)), second = widen(__ldg(distances + step));
        const real raw = point.raw[IDEAL], b = point.at[IDEAL], mixed = mixed_product(point, distances, step);
        // derivatives by a are by_a * a + by_b * cotangent, the one by b is by_finite
        const real by_a = is_query ? -(2 * weight * first) : 2 * second;
        const real by_b = is_query ? 2 * weight * b : b;
        const real by_finite = is_query ? 2 * weight * (mixed - b * second) : 2 * b * first + mixed;
        real by_normaliser = raw * by_finite;
#pragma unroll
        for (int axis = 0; axis < IDEAL; ++axis) {
            const real by_coordinate = by_a * point.at[axis] + by_b * widen(__ldg(distances + (axis + 2) * step));
            by_normaliser += point.raw[axis] * by_coordinate;
            by_point[axis] = point.normaliser * by_coordinate;
        }
        const real square = raw * raw;
        const real slope = (epsilon - square) / ((square + epsilon) * (square + epsilon));
        by_point[IDEAL] = point.normaliser * by_finite + slope * by_normaliser;
    }
#pragma unroll 16
    for (int blade = 0; blade < BLADES; ++blade) {
        if (!IS_COORDINATE[blade]) {
            to[blade * to_stride] = narrow(inner_gradient(is_query, blade, cotangents, step));
        }
    }
#pragma unroll
    for (int axis = 0; axis <= IDEAL && IDEAL > 0; ++axis) {
        const int blade = POINT_BLADE[axis];
        to[blade * to_stride] = narrow(inner_gradient(is_query, blade, cotangents, step) + by_point[axis]);
    }
}

LANE void copy_blades(const storage* from, i64 step, storage* to, i64 to_step) {
#pragma unroll 16
    for (int blade = 0; blade < BLADES; ++blade) {
        to[blade * to_step] = __ldg(from + blade * step);
    }
}
