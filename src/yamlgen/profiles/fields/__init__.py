"""How the values of each field are spread: one tally for each kind of value, and what is read from them."""
