"""Small expressions on one item, written `item`: what the forms are filled with. {1} and {2} are further arguments."""

from __future__ import annotations

from serve_apps.code_generation.block import Block, table

ITEM = "item"

BODIES: tuple[Block, ...] = (
    *table(
        r"""
        item % 2 == 0 ; int ; even
        item % 2 != 0 ; int ; odd
        item > 0 ; num ; positive
        item < 0 ; num ; negative
        item != 0 ; num ; zero
        item > {1} ; num num ; greater
        item < {1} ; num num ; less
        item >= {1} ; num num ; at_least
        item <= {1} ; num num ; at_most
        {1} <= item <= {2} ; num num num ; between
        {1} < item < {2} ; num num num ; between
        item % {1} == 0 ; int int ; divisible
        item % {1} == 0 and item % {2} == 0 ; int int int ; divisible
        item % {1} == 0 or item % {2} == 0 ; int int int ; divisible
        item == {1} ; any any ; equal
        item != {1} ; any any ; different
        item in {1} ; any iter ; common
        item not in {1} ; any iter ; difference_set
        item is not None ; any ; none_value
        item ; any ; none_value
        isinstance(item, str) ; any ; to_text
        isinstance(item, int) ; any ; to_number
        str(item) == str(item)[::-1] ; int ; palindrome
        item == item[::-1] ; str ; palindrome
        len(item) > {1} ; str int ; length greater
        len(item) < {1} ; str int ; length less
        len(item) >= {1} ; str int ; length at_least
        len(item) == {1} ; str int ; length
        len(item) != {1} ; str int ; length different
        len(item) % 2 == 0 ; str ; length even
        len(item) % 2 == 1 ; str ; length odd
        len(item) == {1} ; seq int ; length
        item.startswith({1}) ; str str ; starts
        item.endswith({1}) ; str str ; ends
        {1} in item ; str str ; contains
        {1} in item ; seq any ; contains
        item.isupper() ; str ; uppercase
        item.islower() ; str ; lowercase
        item.isupper() ; char ; uppercase
        item.islower() ; char ; lowercase
        item.isdigit() ; char ; digit
        item.isdigit() ; str ; digit
        item.isalpha() ; char ; letter
        item.isalnum() ; char ; alphanumeric
        item.isspace() ; char ; space
        item in "aeiouAEIOU" ; char ; vowel
        item.isalpha() and item not in "aeiouAEIOU" ; char ; consonant
        item[0] in "aeiouAEIOU" ; str ; starts vowel
        item[0].isupper() ; str ; starts uppercase
        item == {1} ; char str ; equal
        item in {1} ; char str ; contains
        item not in {1} ; char str ; difference_set
        item[{1}] == {2} ; dict str any ; equal
        item[{1}] > {2} ; dict str num ; greater
        item[{1}] >= {2} ; dict str num ; at_least
        item[{1}] < {2} ; dict str num ; less
        """,
        gives="condition",
    ),
    *table(
        r"""
        item ** 2 ; num ; square
        item ** 3 ; num ; cube
        item ** {1} ; num num ; power
        item * 2 ; num ; double
        item / 2 ; num ; half
        -item ; num ; negate
        abs(item) ; num ; absolute
        item + {1} ; num num ; add
        item - {1} ; num num ; subtract
        item * {1} ; num num ; multiply
        item / {1} ; num num ; divide
        item // {1} ; num num ; divide
        item % {1} ; num num ; modulo
        round(item, {1}) ; num int ; round
        int(item) ; str ; to_number
        float(item) ; str ; to_number
        int(item) ; char ; to_number
        ord(item) ; char ; ascii
        len(item) ; str ; length
        len(item) ; seq ; length
        sum(item) ; nums ; sum
        sum(item) / len(item) ; nums ; average
        math.prod(item) ; nums ; product
        sum(int(digit) for digit in str(item)) ; int ; digit sum
        """,
        gives="number",
    ),
    *table(
        r"""
        str(item) ; any ; to_text
        chr(item) ; int ; ascii
        bin(item)[2:] ; int ; binary
        item.upper() ; str ; uppercase
        item.lower() ; str ; lowercase
        item.capitalize() ; str ; capitalize
        item.title() ; str ; capitalize
        item.strip() ; str ; trim
        item[::-1] ; str ; reverse
        item[0] ; str ; first
        item[-1] ; str ; last
        item.replace({1}, {2}) ; str str str ; replace
        item.replace({1}, "") ; str str ; remove
        {1} + item ; str str ; starts join
        item + {1} ; str str ; ends join
        item * {1} ; str int ; repeat
        item * {1} ; char int ; repeat
        """,
        gives="text",
    ),
    *table(
        r"""
        item[::-1] ; seq ; reverse
        item[0] ; seq ; first
        item[-1] ; seq ; last
        item[1] ; seq ; nth
        item[{1}] ; seq int ; nth
        item[{1}] ; dict str ; values
        max(item) ; seq ; maximum
        min(item) ; seq ; minimum
        sorted(item) ; seq ; sort
        tuple(item) ; seq ; to_tuple
        list(item) ; seq ; to_list
        item.split({1}) ; str str ; split
        (item, len(item)) ; str ; length to_tuple
        list(item) ; str ; to_list
        """,
        gives="value",
    ),
)
