"""Files that banks, providers and accountants send and take: formats alone, without tables, sessions or HTTP."""
