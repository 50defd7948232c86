//! Removes what a killed run has left.
#![no_std]
#![no_main]
mq_sketch::program!(mq_sketch::cleanup::run);
