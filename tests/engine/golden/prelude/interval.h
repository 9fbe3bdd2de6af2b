//@ base
