//! Names of the releases that peers declare by number.

/// Ordinals before the regular part of the list.
const FIRST: [&str; 16] = [
    "V3_0_0_SNAPSHOT",
    "V3_0_0_ALPHA1",
    "V3_0_0_BETA1",
    "V3_0_0_BETA2",
    "V3_0_0_BETA3",
    "V3_0_0_BETA4",
    "V3_0_0_BETA5",
    "V3_0_0_BETA6_SNAPSHOT",
    "V3_0_0_BETA6",
    "V3_0_0_BETA7_SNAPSHOT",
    "V3_0_0_BETA7",
    "V3_0_0_BETA8_SNAPSHOT",
    "V3_0_0_BETA8",
    "V3_0_0_BETA9_SNAPSHOT",
    "V3_0_0_BETA9",
    "V3_0_0_FINAL",
];

/// Apache's name of a release number, as `V4_9_8` for 409; `HIGHER_VERSION` for those without one.
///
/// Each release takes two numbers, that of its snapshot and its own.
pub fn version_name(version: i32) -> String {
    let Ok(number) = usize::try_from(version) else {
        return FIRST[0].to_owned();
    };
    if let Some(name) = FIRST.get(number) {
        return (*name).to_owned();
    }
    let release = (number - FIRST.len()) / 2;
    let snapshot = if (number - FIRST.len()).is_multiple_of(2) {
        "_SNAPSHOT"
    } else {
        ""
    };
    releases().nth(release).map_or_else(
        || "HIGHER_VERSION".to_owned(),
        |(major, minor, patch)| format!("V{major}_{minor}_{patch}{snapshot}"),
    )
}

/// All releases that have a number, after those of [`FIRST`].
fn releases() -> impl Iterator<Item = (u32, u32, u32)> {
    (3..6)
        .flat_map(|major| (0..10).map(move |minor| (major, minor)))
        .flat_map(|(major, minor)| {
            let patches = match (major, minor) {
                (3, 0) => 1..16,
                (3, 3..) => 1..10,
                _ => 0..10,
            };
            patches.map(move |patch| (major, minor, patch))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_apaches_names() {
        for (number, name) in [
            (-1, "V3_0_0_SNAPSHOT"),
            (2, "V3_0_0_BETA1"),
            (16, "V3_0_1_SNAPSHOT"),
            (17, "V3_0_1"),
            (401, "V4_9_4"),
            (409, "V4_9_8"),
            (479, "V5_3_3"),
            (611, "V5_9_9"),
            (612, "HIGHER_VERSION"),
            (i32::MAX, "HIGHER_VERSION"),
        ] {
            assert_eq!(version_name(number), name, "{number}");
        }
    }
}
