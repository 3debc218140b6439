"""Building blocks of the search.

{0}, {1}, ... stand for arguments, each of the kind that the block takes at that place (see kinds.py).
"""

from __future__ import annotations

from serve_apps.code_generation.block import Block, table

BLOCKS: tuple[Block, ...] = (
    # glue: so common that a requirement seldom says it
    *table(
        r"""
        list({0}) ; iter ; -
        tuple({0}) ; iter ; to_tuple
        {0}[0] ; seq ; first
        {0}[-1] ; seq ; last
        {0}[0] ; str ; first
        {0}[-1] ; str ; last
        str({0}) ; num ; to_text
        len({0}) ; iter ; count
        len({0}) ; str ; length
        len({0}) ; dict ; count
        not {0} ; bool ; check
        {0} == {1} ; any any ; equal
        {0}.split() ; str ; words
        {0}[{1}] ; seq int ; nth
        {0}[{1}] ; dict any ; keys
        [int(digit) for digit in str({0})] ; int ; digit
        """
    ),
    # numbers
    *table(
        r"""
        {0} + {1} ; num num ; add
        {0} - {1} ; num num ; subtract
        abs({0} - {1}) ; num num ; difference_set
        {0} * {1} ; num num ; multiply
        {0} / {1} ; num num ; divide
        {0} // {1} ; num num ; divide
        {0} % {1} ; num num ; modulo
        {0} ** {1} ; num num ; power
        {0} ** 2 ; num ; square
        {0} ** 3 ; num ; cube
        {0} ** 0.5 ; num ; root
        {0} * 2 ; num ; double
        {0} / 2 ; num ; half
        {0} // 2 ; num ; half
        {0} + 1 ; int ; range
        {0} - 1 ; int ; range
        -{0} ; num ; negate
        abs({0}) ; num ; absolute
        round({0}) ; num ; round
        round({0}, {1}) ; num int ; round
        int({0}) ; num ; to_number
        math.floor({0}) ; num ; floor
        math.ceil({0}) ; num ; floor
        math.gcd({0}, {1}) ; int int ; divisible
        {0} % 2 == 0 ; int ; even
        {0} % 2 == 1 ; int ; odd
        {0} > 0 ; num ; positive
        {0} < 0 ; num ; negative
        {0} == 0 ; num ; zero
        {0} % {1} == 0 ; int int ; divisible
        {0} > {1} ; num num ; greater
        {0} < {1} ; num num ; less
        {0} >= {1} ; num num ; at_least
        {0} <= {1} ; num num ; at_most
        {0} != {1} ; any any ; different
        {1} <= {0} <= {2} ; num num num ; between
        max({0}, {1}) ; num num ; maximum
        min({0}, {1}) ; num num ; minimum
        max({0}, {1}, {2}) ; num num num ; maximum
        min({0}, {1}, {2}) ; num num num ; minimum
        math.pi * {0} ; num ; area
        bin({0})[2:] ; int ; binary
        bin({0}) ; int ; binary
        hex({0})[2:] ; int ; hexadecimal
        oct({0})[2:] ; int ; octal
        chr({0}) ; int ; ascii
        {0} & {1} ; int int ; binary
        {0} | {1} ; int int ; binary
        {0} ^ {1} ; int int ; binary
        {0} << {1} ; int int ; binary
        {0} >> {1} ; int int ; binary
        math.factorial({0}) ; int ; factorial
        list(range(1, {0} + 1)) ; int ; range
        list(range({0})) ; int ; range
        list(range({0}, {1} + 1)) ; int int ; range
        list(range({0}, {1})) ; int int ; range
        """
    ),
    # truth
    *table(
        r"""
        {0} and {1} ; bool bool ; all
        {0} or {1} ; bool bool ; any
        {1} in {0} ; iter any ; contains
        {1} not in {0} ; iter any ; contains different
        {1} in {0} ; str str ; contains
        {1} in {0} ; dict any ; contains
        {1} if {0} else {2} ; bool any any ; otherwise
        {0} is None ; any ; none_value
        any({0}) ; bools ; any
        all({0}) ; bools ; all
        """
    ),
    # text
    *table(
        r"""
        {0}.upper() ; str ; uppercase
        {0}.lower() ; str ; lowercase
        {0}.title() ; str ; capitalize words
        {0}.capitalize() ; str ; capitalize
        {0}.swapcase() ; str ; case
        {0}.strip() ; str ; trim
        {0}.split({1}) ; str str ; split
        {0}.splitlines() ; str ; split
        {0}[::-1] ; str ; reverse
        {0}[::2] ; str ; alternate
        {0}[1::2] ; str ; alternate
        {0} + {1} ; str str ; join
        {0} * {1} ; str int ; repeat
        {0}[{1}] ; str int ; nth
        {0}[:{1}] ; str int ; first
        {0}[{1}:] ; str int ; remove
        {0}[-{1}:] ; str int ; last
        {0}[1:] ; str ; remove first
        {0}[:-1] ; str ; remove last
        {0}[1:-1] ; str ; remove first last
        {0}[1:] + {0}[:1] ; str ; rotate
        {0}.replace({1}, {2}) ; str str str ; replace
        {0}.replace({1}, "") ; str str ; remove
        {0}.count({1}) ; str str ; count
        {0}.find({1}) ; str str ; index
        {0}.index({1}) ; str str ; index
        {0}.rfind({1}) ; str str ; index last
        {0}.startswith({1}) ; str str ; starts
        {0}.endswith({1}) ; str str ; ends
        {0}.isdigit() ; str ; digit
        {0}.isalpha() ; str ; letter
        {0}.isalnum() ; str ; alphanumeric
        {0}.isupper() ; str ; uppercase
        {0}.islower() ; str ; lowercase
        {0}.isspace() ; str ; space
        {0} == {0}[::-1] ; str ; palindrome
        {0}.zfill({1}) ; str int ; pad
        {0}.ljust({1}) ; str int ; pad
        {0}.rjust({1}) ; str int ; pad
        {0}.center({1}) ; str int ; pad
        {0}.removeprefix({1}) ; str str ; remove starts
        {0}.removesuffix({1}) ; str str ; remove ends
        list({0}) ; str ; characters
        set({0}) ; str ; to_set
        sorted({0}) ; str ; sort
        "".join(sorted({0})) ; str ; sort
        "".join(sorted({0}, reverse=True)) ; str ; sort descending
        "".join(dict.fromkeys({0})) ; str ; unique
        len(set({0})) ; str ; unique count
        max({0}, key={0}.count) ; str ; mode
        ord({0}) ; str ; ascii
        int({0}) ; str ; to_number
        float({0}) ; str ; to_number
        int({0}, 2) ; str ; binary
        int({0}, 16) ; str ; hexadecimal
        {0}.rsplit({1}, 1)[-1] ; str str ; last split
        {0}.partition({1})[0] ; str str ; first split
        {0}.partition({1})[2] ; str str ; last split
        re.findall(r"\d+", {0}) ; str ; digit
        re.sub(r"\d", "", {0}) ; str ; remove digit
        re.sub(r"[^A-Za-z0-9]", "", {0}) ; str ; remove alphanumeric
        re.sub(r"\s+", " ", {0}) ; str ; space replace
        re.sub(r"\s+", "", {0}) ; str ; space remove
        """
    ),
    # lists, tuples and sets
    *table(
        r"""
        sum({0}) ; nums ; sum
        max({0}) ; iter ; maximum
        min({0}) ; iter ; minimum
        max({0}) - min({0}) ; nums ; span
        max({0}) - min({0}) ; nums ; maximum minimum
        max({0}) + min({0}) ; nums ; maximum minimum
        sum({0}) / len({0}) ; nums ; average
        statistics.median({0}) ; nums ; median
        math.prod({0}) ; nums ; product
        max({0}, key={0}.count) ; seq ; mode
        sorted({0}) ; iter ; sort
        sorted({0}, reverse=True) ; iter ; sort descending
        sorted({0}, key=len) ; strs ; sort length
        sorted({0}, key=len) ; rows ; sort length
        max({0}, key=len) ; strs ; maximum length
        min({0}, key=len) ; strs ; minimum length
        max({0}, key=len) ; rows ; maximum length
        min({0}, key=len) ; rows ; minimum length
        {0}[::-1] ; seq ; reverse
        {0}[:{1}] ; seq int ; first
        {0}[{1}:] ; seq int ; remove
        {0}[{1}:] ; seq int ; last
        {0}[-{1}:] ; seq int ; last
        {0}[{1}:{2}] ; seq int int ; between
        {0}[::{1}] ; seq int ; alternate
        {0}[::2] ; seq ; alternate
        {0}[1::2] ; seq ; alternate
        {0}[::2] ; seq ; even index
        {0}[1::2] ; seq ; odd index
        {0}[1:] ; seq ; remove first
        {0}[:-1] ; seq ; remove last
        {0}[1:-1] ; seq ; remove first last
        [{0}[-1], *{0}[1:-1], {0}[0]] ; seq ; swap
        {0}[:{1}][::-1] + {0}[{1}:] ; seq int ; reverse
        {0}[:{1}] + {0}[{1} + 1:] ; seq int ; remove nth
        {0}[1:] + {0}[:1] ; seq ; first last
        {0}.count({1}) ; seq any ; count
        {0}.index({1}) ; seq any ; index
        {0} + {1} ; list list ; join
        {0} + {1} ; tuple tuple ; join
        list({0}) + list({1}) ; seq seq ; join
        tuple({0}) + tuple({1}) ; seq seq ; join
        [*{0}, {1}] ; seq any ; add
        [{1}, *{0}] ; seq any ; add first
        {0} * {1} ; list int ; repeat
        [{0}] * {1} ; any int ; repeat
        ({0}, {1}) ; any any ; to_tuple
        [{0}, {1}] ; any any ; to_list
        ({0}[0], {0}[-1]) ; seq ; first last
        list(dict.fromkeys({0})) ; iter ; unique
        set({0}) ; iter ; to_set
        len(set({0})) ; iter ; unique count
        len(set({0})) == len({0}) ; seq ; unique
        len(set({0})) == 1 ; seq ; equal all
        len(set({0})) == 1 ; str ; equal all
        set({0}) & set({1}) ; iter iter ; common
        set({0}) - set({1}) ; iter iter ; difference_set
        set({0}) | set({1}) ; iter iter ; join unique
        set({0}) ^ set({1}) ; iter iter ; difference_set
        set({1}) <= set({0}) ; iter iter ; contains all
        set({0}) <= set({1}) ; iter iter ; contains all
        bool(set({0}) & set({1})) ; iter iter ; any common
        sorted({0}) == sorted({1}) ; iter iter ; equal
        {1}.join({0}) ; strs str ; join
        "".join({0}) ; strs ; join
        " ".join({0}) ; strs ; join
        " ".join({0}) ; strs ; words
        ", ".join({0}) ; strs ; join
        "".join(map(str, {0})) ; iter ; to_text
        int("".join(map(str, {0}))) ; ints ; to_number join
        sum({0}, []) ; rows ; flatten
        [item for row in {0} for item in row] ; rows ; flatten
        [list(column) for column in zip(*{0})] ; rows ; elementwise
        list(zip({0}, {1})) ; seq seq ; elementwise
        list(enumerate({0})) ; seq ; index
        list(zip({0}, {0}[1:])) ; seq ; neighbours
        dict(zip({0}, {1})) ; seq seq ; dictionary
        dict({0}) ; pairs ; dictionary
        {{item: {0}.count(item) for item in {0}}} ; seq ; frequency
        {{item: {0}.count(item) for item in {0}}} ; str ; frequency
        {{item: {0}.count(item) for item in {0}}} ; seq ; count dictionary
        [item for pair in zip({0}, {1}) for item in pair] ; seq seq ; alternate
        heapq.nlargest({1}, {0}) ; nums int ; maximum
        heapq.nsmallest({1}, {0}) ; nums int ; minimum
        """
    ),
    # dictionaries
    *table(
        r"""
        list({0}) ; dict ; keys
        list({0}.values()) ; dict ; values
        list({0}.items()) ; dict ; to_list
        sorted({0}) ; dict ; sort keys
        sorted({0}.values()) ; dict ; sort values
        {0}.get({1}) ; dict any ; keys
        {0}.get({1}, {2}) ; dict any any ; keys otherwise
        {{value: key for key, value in {0}.items()}} ; dict ; swap
        dict(sorted({0}.items(), key=lambda item: item[1])) ; dict ; sort values
        dict(sorted({0}.items(), key=lambda item: item[1], reverse=True)) ; dict ; sort values descending
        dict(sorted({0}.items())) ; dict ; sort keys
        max({0}, key={0}.get) ; dict_nums ; maximum
        min({0}, key={0}.get) ; dict_nums ; minimum
        sum({0}.values()) ; dict_nums ; sum
        max({0}.values()) ; dict_nums ; maximum
        {0} | {1} ; dict dict ; join
        sorted({0}.items(), key=lambda item: item[1]) ; dict ; sort values
        """
    ),
)
