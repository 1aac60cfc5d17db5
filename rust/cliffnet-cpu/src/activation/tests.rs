use super::{Activate, Activation};
use crate::isa::Isa;
use crate::vectorize::Vectorize;

/// Values and slopes at `arguments`, a whole number of vectors of them.
fn values_and_slopes<T: Vectorize>(isa: Isa, activation: Activation, arguments: &[T]) -> (Vec<T>, Vec<T>) {
    let lanes = arguments.len();
    assert_eq!(lanes % 16, 0);
    let mut found = (vec![T::from_f64(0.0); lanes], vec![T::from_f64(0.0); lanes]);
    let (values, slopes) = (found.0.as_mut_ptr(), found.1.as_mut_ptr());
    // SAFETY: the instruction set is available; the arrays hold `lanes` numbers.
    unsafe { T::vectorize(isa, Activate { activation, lanes, source: arguments.as_ptr(), values, slopes }) };
    found
}

fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

#[test]
fn test_codes_round_trip() {
    for (code, activation) in (0..).zip(Activation::ALL) {
        assert_eq!(Activation::from_code(code), Some(activation));
    }
    assert_eq!(Activation::from_code(-1), None);
    assert_eq!(Activation::from_code(Activation::ALL.len() as i64), None);
}

#[test]
fn test_slopes_are_the_derivatives_of_the_values() {
    let step = 1e-5;
    let arguments: Vec<f64> = (0..1600).map(|index| f64::from(index) * 0.02 - 15.995).collect();
    let moved: [Vec<f64>; 2] = [-step, step].map(|by| arguments.iter().map(|x| x + by).collect());
    for isa in available() {
        for activation in Activation::ALL {
            let (_, slopes) = values_and_slopes(isa, activation, &arguments);
            let [before, after] = moved.each_ref().map(|moved| values_and_slopes(isa, activation, moved).0);
            for index in 0..arguments.len() {
                let difference = (after[index] - before[index]) / (2.0 * step);
                let at = arguments[index];
                assert!((slopes[index] - difference).abs() < 1e-8, "{activation:?} at {at} with {}", isa.name());
            }
        }
    }
}

#[test]
fn test_single_precision_is_near_double() {
    let arguments: Vec<f32> = (0..4000).map(|index| index as f32 * 0.005 - 10.0).collect();
    let exact: Vec<f64> = arguments.iter().map(|&x| f64::from(x)).collect();
    for activation in Activation::ALL {
        let expected = values_and_slopes(Isa::Scalar, activation, &exact);
        for isa in available() {
            let got = values_and_slopes(isa, activation, &arguments);
            for (got, expected) in [(&got.0, &expected.0), (&got.1, &expected.1)] {
                for index in 0..arguments.len() {
                    let error = (f64::from(got[index]) - expected[index]).abs();
                    assert!(error <= 4e-7 * expected[index].abs().max(1.0), "{activation:?} {}", arguments[index]);
                }
            }
        }
    }
}

#[test]
fn test_not_a_number_stays_and_far_arguments_do_not_overflow() {
    let mut arguments = [1e30_f32; 16];
    arguments[1] = -1e30;
    arguments[2] = f32::NAN;
    for isa in available() {
        for activation in Activation::ALL {
            let (values, slopes) = values_and_slopes(isa, activation, &arguments);
            assert!(values[0].is_finite() && values[1].is_finite(), "{activation:?}");
            assert!(slopes[0].is_finite() && slopes[1].is_finite(), "{activation:?}");
            assert!(values[2].is_nan(), "{activation:?}");
        }
    }
}
