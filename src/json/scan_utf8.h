/* UTF-8 and escapes by table look-ups, for the twins that can look up bytes (AVX2, AVX-512); the tables and where they come
 * from are in scan_bytes.c. The twin defines beforehand `vec` and its operations:
 *   v_bytes(enum scan_bytes) v_and() v_or() v_xor() v_minus() (never below 0) v_look_up(table, x)
 *   v_high_half(x), v_behind(x, before, n): x moved up by n bytes, the last ones of `before` moved in */
#ifdef SCAN_NAME /* nothing stands here but within a twin */

/* Not zero where x, coming after `before`, is no UTF-8. A character cut at x's end is seen next time. */
SCAN_FN vec utf8_errors(vec x, vec before)
{
    vec one = v_behind(x, before, 1), two = v_behind(x, before, 2), three = v_behind(x, before, 3);
    vec first_high = v_look_up(v_bytes(BYTES_FIRST_HIGH), v_high_half(one));
    vec first_low = v_look_up(v_bytes(BYTES_FIRST_LOW), v_and(one, v_bytes(BYTES_HALF)));
    vec second_high = v_look_up(v_bytes(BYTES_SECOND_HIGH), v_high_half(x));
    vec special = v_and(v_and(first_high, first_low), second_high);
    vec third = v_minus(two, v_bytes(BYTES_THIRD)), fourth = v_minus(three, v_bytes(BYTES_FOURTH));
    return v_xor(v_and(v_or(third, fourth), v_bytes(BYTES_TOP)), special);
}

/* Not zero where x makes a short escape. A byte over 0x7F is looked up as 0. */
UNUSED SCAN_FN vec short_escapes(vec x)
{
    return v_and(v_look_up(v_bytes(BYTES_ESCAPE_LOW), x), v_look_up(v_bytes(BYTES_ESCAPE_HIGH), v_high_half(x)));
}

#endif
