//! The sums of the published programs, tests/audit/published/ARCHITECTURE/SHA256SUMS. They are written
//! together with the lists: published.rs.

use std::fs;
use std::process::Command;

use object::{Object, ObjectSection};

use crate::common::{self, ALL};
use crate::published::{REMEDY, SUMS, folder};

/// The names of cargo, and those that the compiler and the linker write into a program, as comments
/// of the sums.
fn makers(program: &str) -> String {
    let cargo = Command::new(env!("CARGO")).arg("--version").output().unwrap().stdout;
    let cargo = format!("# {}", String::from_utf8(cargo).unwrap());
    let bytes = fs::read(common::program(program)).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let section = file.section_by_name(".comment").expect("it is there in every build");
    let comments = String::from_utf8(section.data().unwrap().to_vec()).unwrap();
    // LLD adds the folder in which it was built.
    let names = comments.split('\0').map(|name| name.split(" (/").next().unwrap());
    let names = names.filter(|name| !name.is_empty()).map(|name| format!("# {name}\n"));
    [cargo].into_iter().chain(names).collect()
}

#[test]
#[ignore = "settings of cargo change the programs; .ci/run sets none"]
fn the_published_sums_are_those_of_the_programs() {
    let path = folder().join(std::env::consts::ARCH).join(SUMS);
    let mut sha256sum = Command::new("sha256sum");
    let output = sha256sum.args(ALL).current_dir(common::programs::folder()).output().unwrap();
    let makers = makers("premise");
    let sums = makers.clone() + str::from_utf8(&output.stdout).unwrap();
    if std::env::var_os("MQ_SKETCH_PUBLISH").is_some() {
        fs::write(&path, &sums).unwrap();
    }
    let published = fs::read_to_string(path).unwrap();
    let comments: String =
        published.split_inclusive('\n').filter(|line| line.starts_with('#')).collect();
    if comments == makers {
        assert_eq!(sums, published, "{REMEDY}");
    } else {
        println!("left out: the sums are for another compiler or linker: {published}");
    }
}
