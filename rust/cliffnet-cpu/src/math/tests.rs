use super::{exponential, hyperbolic_tangent, logistic, normal_distribution};
use crate::isa::Isa;
use crate::real_lanes::{Real, RealLanes};
use crate::vectorize::{LaneFunction, Vectorize};

/// Argument, exponential, logistic function, hyperbolic tangent, normal distribution function and density, to 40 digits
/// and then rounded.
#[allow(clippy::unreadable_literal, reason = "digits as computed")]
const REFERENCE: [[f64; 6]; 19] = [
    [-30.25, 7.287724095819692e-14, 7.287724095819161e-14, -1.0, 2.6086402857412604e-201, 7.899741722660823e-200],
    [-20.5, 1.2501528663867426e-09, 1.2501528648238605e-09, -1.0, 1.0764673258790961e-93, 2.2119843802105703e-92],
    [
        -12.0,
        6.14421235332821e-06,
        6.144174602214718e-06,
        -0.9999999999244973,
        1.776482112077679e-33,
        2.1463837356630605e-32,
    ],
    [
        -8.0,
        0.00033546262790251185,
        0.0003353501304664781,
        -0.9999997749296758,
        6.220960574271784e-16,
        5.052271083536892e-15,
    ],
    [
        -5.5,
        0.004086771438464067,
        0.004070137715896128,
        -0.9999665971563038,
        1.8989562465887718e-08,
        1.0769760042543276e-07,
    ],
    [
        -3.0,
        0.049787068367863944,
        0.04742587317756678,
        -0.9950547536867305,
        0.0013498980316300946,
        0.0044318484119380075,
    ],
    [-1.0, 0.36787944117144233, 0.2689414213699951, -0.7615941559557649, 0.15865525393145705, 0.24197072451914334],
    [-0.5, 0.6065306597126334, 0.37754066879814546, -0.46211715726000974, 0.3085375387259869, 0.35206532676429947],
    [-0.001, 0.999000499833375, 0.4997500000208333, -0.0009999996666668, 0.49960105778608893, 0.39894208093034234],
    [0.0, 1.0, 0.5, 0.0, 0.5, 0.3989422804014327],
    [1e-08, 1.00000001, 0.5000000025, 1e-08, 0.5000000039894228, 0.39894228040143265],
    [0.015625, 1.0157477085866857, 0.5039061705290805, 0.015623728558408866, 0.5062332194998896, 0.3988935843648253],
    [0.3125, 1.3668379411737963, 0.5774953651858118, 0.3027097293321085, 0.6226697184701571, 0.37993060619862773],
    [0.75, 2.117000016612675, 0.679178699175393, 0.6351489523872873, 0.7733726476231318, 0.30113743215480443],
    [1.5, 4.4816890703380645, 0.8175744761936437, 0.9051482536448664, 0.9331927987311419, 0.12951759566589172],
    [2.0, 7.38905609893065, 0.8807970779778824, 0.9640275800758169, 0.9772498680518208, 0.05399096651318805],
    [4.25, 70.10541234668786, 0.9859363729567545, 0.9995931460438896, 0.9999893114742251, 4.7718636541204945e-05],
    [9.0, 8103.083927575384, 0.9998766054240138, 0.999999969540041, 1.0, 1.0279773571668915e-18],
    [17.0, 24154952.7535753, 0.9999999586006245, 0.9999999999999966, 1.0, 7.004182134318581e-64],
];

/// The functions in the order of the table.
struct All<'a, T> {
    arguments: &'a [T],
    results: &'a mut [[T; 6]],
}

impl<T: Real> LaneFunction<T> for All<'_, T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        for (&argument, results) in self.arguments.iter().zip(self.results) {
            // SAFETY: the instruction set is available; the buffer holds the longest vector.
            unsafe {
                let x = V::splat(argument);
                let [cumulative, density] = normal_distribution(x);
                let values = [x, exponential(x), logistic(x)[0], hyperbolic_tangent(x)[0], cumulative, density];
                for (value, result) in values.into_iter().zip(results) {
                    let mut buffer = [T::from_f64(0.0); 16];
                    value.store(buffer.as_mut_ptr());
                    *result = buffer[V::WIDTH - 1];
                }
            }
        }
    }
}

fn all<T: Vectorize>(isa: Isa, arguments: &[T]) -> Vec<[T; 6]> {
    let mut results = vec![[T::from_f64(0.0); 6]; arguments.len()];
    // SAFETY: only available instruction sets are asked for.
    unsafe { T::vectorize(isa, All { arguments, results: &mut results }) };
    results
}

fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

/// Steps of a dense grid that no power of two divides.
fn grid(limit: f64) -> Vec<f64> {
    (-20_000..=20_000).map(|index| f64::from(index) * (limit / 20_000.0)).collect()
}

fn assert_near(got: f64, expected: f64, bound: f64, what: &str) {
    let near = got == expected || ((got - expected) / expected).abs() <= bound;
    assert!(near, "{what}: {got:e} instead of {expected:e}, off by {:e}", ((got - expected) / expected).abs());
}

#[test]
fn test_double_precision_matches_the_table() {
    let arguments: Vec<f64> = REFERENCE.iter().map(|row| row[0]).collect();
    for isa in available() {
        for (got, expected) in all(isa, &arguments).iter().zip(&REFERENCE) {
            for column in 0..6 {
                let what = format!("column {column} at {} with {}", expected[0], isa.name());
                assert_near(got[column], expected[column], 4.0 * f64::EPSILON, &what);
            }
        }
    }
}

#[test]
fn test_double_precision_matches_the_standard_library_on_a_grid() {
    let arguments = grid(37.3);
    for isa in available() {
        for (x, got) in arguments.iter().zip(all(isa, &arguments)) {
            let what = format!("{x} with {}", isa.name());
            assert_near(got[1], x.exp(), 2.0 * f64::EPSILON, &what);
            assert_near(got[2], 1.0 / (1.0 + (-x).exp()), 4.0 * f64::EPSILON, &what);
            assert_near(got[3], x.tanh(), 4.0 * f64::EPSILON, &what);
        }
    }
}

#[test]
fn test_single_precision_matches_double_on_a_grid() {
    for limit in [80.0, 11.0, 0.9] {
        let arguments: Vec<f32> = grid(limit).into_iter().map(|x| x as f32).collect();
        let exact: Vec<f64> = arguments.iter().map(|&x| f64::from(x)).collect();
        let exact = all(Isa::Scalar, &exact);
        for isa in available() {
            for (got, expected) in all(isa, &arguments).iter().zip(&exact) {
                for column in 0..6 {
                    if expected[column].abs() < 1e-37 {
                        assert!((f64::from(got[column]) - expected[column]).abs() < 3e-44, "{expected:?}");
                        continue;
                    }
                    let what = format!("column {column} at {} with {}", got[0], isa.name());
                    assert_near(f64::from(got[column]), expected[column], 4.0 * f64::from(f32::EPSILON), &what);
                }
            }
        }
    }
}

#[test]
fn test_limits_and_not_a_number() {
    for isa in available() {
        let got = all(isa, &[f32::NEG_INFINITY, f32::INFINITY, f32::NAN, 200.0, -200.0]);
        assert_eq!(got[0][1..], [0.0, 0.0, -1.0, 0.0, 0.0]);
        assert_eq!(got[1][1..], [f32::INFINITY, 1.0, 1.0, 1.0, 0.0]);
        assert!(got[2].iter().all(|value| value.is_nan()), "{:?}", got[2]);
        assert_eq!(got[3][1..], [f32::INFINITY, 1.0, 1.0, 1.0, 0.0]);
        assert_eq!(got[4][1], 0.0);
        let got = all(isa, &[f64::NEG_INFINITY, f64::INFINITY, f64::NAN, 1000.0, -1000.0]);
        assert_eq!(got[0][1..], [0.0, 0.0, -1.0, 0.0, 0.0]);
        assert_eq!(got[1][1..], [f64::INFINITY, 1.0, 1.0, 1.0, 0.0]);
        assert!(got[2].iter().all(|value| value.is_nan()), "{:?}", got[2]);
        assert_eq!(got[3][1..], [f64::INFINITY, 1.0, 1.0, 1.0, 0.0]);
        assert_eq!(got[4][1..], [0.0, 0.0, -1.0, 0.0, 0.0]);
    }
}
