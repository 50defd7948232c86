//! Mrs. Premise.
#![no_std]
#![no_main]
mq_sketch::program!(mq_sketch::premise::run);
