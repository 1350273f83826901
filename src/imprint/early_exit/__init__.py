"""Early exits: answer what a network knows before its last layer, with a promise on accuracy."""
