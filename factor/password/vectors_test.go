package password

// Passwords whose hashes are below.
const (
	plainText = "correct horse"
	nonASCII  = "p\u00e4ssw\u00f6rd \u2603" // in normal form C
	octets72  = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
)

// debianHash is of plainText, at the cost of a Debian installation: yescrypt
// made by crypt(3).
const debianHash = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79"

// foreignHashes were made with libxcrypt's crypt(3) (bcrypt, SHA-crypt,
// yescrypt) and Python's hashlib (PBKDF2, scrypt, salted SHA); the argon2 ones
// are from the tests of the reference implementation.
var foreignHashes = []struct{ name, password, hash string }{
	{"yescrypt, least cost", plainText, "$y$j75$F5Jx5fExrKuPp53xLKQ..1$aEFV0VcEI5Jx.rzUhLbfRgipTKSbuNF0ldHPkDpnco3"},
	{"bcrypt 2b", plainText, "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"},
	{"bcrypt 2a", plainText, "$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"},
	{"bcrypt 2y", plainText, "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"},
	{"SHA-512 crypt with rounds", plainText, "$6$rounds=1000$saltstring$YiR6NSM0LQXmu7vAhkMXfkdYk7qtFouVx1Mdr3HmzXspT8kONjlpU3CsV7ezCB62uXJoAdaagsH4ck7/tB9js."},
	{"SHA-512 crypt", plainText, "$6$saltstring$.r0X7ub5wGR2v4Xz7svCIozfnlorFh19V89t8KC9Umd81uGhFgsyTRNyzQDXDIm17fFcR9z3z7oBNdsyYBbtm/"},
	{"SHA-256 crypt with rounds", plainText, "$5$rounds=1000$saltstring$95Bg/RfV2QriLpMdLPHK9el0Ighm6E3CBqMKzZKgCa2"},
	{"SHA-256 crypt", plainText, "$5$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC"},
	{"PBKDF2 sha1", plainText, "$pbkdf2$1000$ZGVmZ2hpamtsbW5vcHFycw$VA/QHNKV7ykSy7JjxrBEqHC0mes"},
	{"PBKDF2 sha224", plainText, "$pbkdf2-sha224$1000$ZGVmZ2hpamtsbW5vcHFycw$NOw3jqlg4gBx04RfMCVCDv2nGec0P0qi9ZGt0A"},
	{"PBKDF2 sha256", plainText, "$pbkdf2-sha256$1000$ZGVmZ2hpamtsbW5vcHFycw$2bwomolgGb/UZHoWKXwoyLJOFAFDUg0vZ/U/wYlj2kY"},
	{"PBKDF2 sha384", plainText, "$pbkdf2-sha384$1000$ZGVmZ2hpamtsbW5vcHFycw$fAI1stYLjZIxlXmBHTmiAuKRrFWsXYXlfdK0tMnmexFw2XE6lMGYWlnutgXjGK9x"},
	{"PBKDF2 sha512", plainText, "$pbkdf2-sha512$1000$ZGVmZ2hpamtsbW5vcHFycw$Uf32lb4oXWPHArXEkQQ2SMAhMdP4O01rpoJDugnjwVA3DDl4.vv4To54j1rwbC/1QX7tkUmDgCsooizFp9zq3A"},
	{"scrypt", plainText, "$scrypt$ln=4,r=8,p=1$ZGVmZ2hpamtsbW5vcHFycw$DSRMIPTxShLqq5lhw/ki2we9gW1HDiSHP/QNaNV8d74"},
	{"salted sha1", plainText, "{SSHA}emB9YJ9dAc9HmTyYM7ZDmwLkSjtkZWZnaGlqaw=="},
	{"salted sha256", plainText, "{SSHA256}OymmDYgtZA5jDmrPoUEKshYIlrfWNSSqBl9R00H4hUlkZWZnaGlqaw=="},
	{"salted sha384", plainText, "{SSHA384}tkea7Kxp771VyhgSWv7EZw2gjetc8935c8EWMKiJhKb0yvTYn53vXA0Sxu4lx50QZGVmZ2hpams="},
	{"salted sha512", plainText, "{SSHA512}vETIBTPTdmnExi1ZFCzbqIkjQl19T4No959NJUVnTXnKmDqjY/bwJewZumw1sRQYCe9NMZq7Uvlq5+0xNyejHmRlZmdoaWpr"},
	{"yescrypt, least cost", nonASCII, "$y$j75$F5Jx5fExrKuPp53xLKQ..1$wg1HHVSbcnoTM.BIQiTaoxcj8qi0uFr.9cR.GXgDr5."},
	{"bcrypt 2b", nonASCII, "$2b$05$abcdefghijklmnopqrstuuHAV94Mj58aB25TMAjGh195IxPdIcE2O"},
	{"bcrypt 2a", nonASCII, "$2a$04$abcdefghijklmnopqrstuu4SmA3hVMbWKmJVGcHRDZ6Y7bUU/SMZe"},
	{"bcrypt 2y", nonASCII, "$2y$04$abcdefghijklmnopqrstuu4SmA3hVMbWKmJVGcHRDZ6Y7bUU/SMZe"},
	{"SHA-512 crypt with rounds", nonASCII, "$6$rounds=1000$saltstring$m.pGhOnTMqKIjtaFJ.pAkkyCKd2uDkgQ.p/LPERgJMXGOEBCk7JBQ/RJQWIWNgJgCmMpVqEsakTm63gIfhjQO/"},
	{"SHA-512 crypt", nonASCII, "$6$saltstring$akEkcxMrzY8MBnoa6s6/FKKDaQyr1wQ/7Xk2hsalavbr0..TngX8cW0q8ZT.iyrXnrJgqUf8z7WUN0tRo.sOg/"},
	{"SHA-256 crypt with rounds", nonASCII, "$5$rounds=1000$saltstring$L34mPsSZ.yjKCvrtb8eGmPJEQ/bfdnrA.ZNLJwPsvT9"},
	{"SHA-256 crypt", nonASCII, "$5$saltstring$iv0dDoBbgQQDg6UfBY39HrN7c8Hr8gmby2YH.bcYOz7"},
	{"PBKDF2 sha1", nonASCII, "$pbkdf2$1000$ZGVmZ2hpamtsbW5vcHFycw$NagQj3JSI7FG4bK2G0C7eBqFfeo"},
	{"PBKDF2 sha224", nonASCII, "$pbkdf2-sha224$1000$ZGVmZ2hpamtsbW5vcHFycw$cYeuiZxPvoz2s8mXPrCDDKbQLkj7voL3mU47Ow"},
	{"PBKDF2 sha256", nonASCII, "$pbkdf2-sha256$1000$ZGVmZ2hpamtsbW5vcHFycw$TC29G6.c5WHWEYGeokddlnS49VVegXeLpQCfBA2N89c"},
	{"PBKDF2 sha384", nonASCII, "$pbkdf2-sha384$1000$ZGVmZ2hpamtsbW5vcHFycw$DRc5NygSsKF9S3x4U9zQlgAp24zjNUjkVJrVoXfisHjBscK2jE5SYYYfnkGgX9Eq"},
	{"PBKDF2 sha512", nonASCII, "$pbkdf2-sha512$1000$ZGVmZ2hpamtsbW5vcHFycw$van5/jHoR5xkh9SkA71ESPiYzMXRSFTHsVDiMe1C4PqpHW/STTqBy2hl3fqTn7JCbbinAR.6dKc6G74G/A8PwQ"},
	{"scrypt", nonASCII, "$scrypt$ln=4,r=8,p=1$ZGVmZ2hpamtsbW5vcHFycw$lcKR1jmcVhS5qO7EJxaYEH48NuipW20eva+WxKOMhh4"},
	{"salted sha1", nonASCII, "{SSHA}D1GE3FuRl+gNy4ns9fKrIt4S1dBkZWZnaGlqaw=="},
	{"salted sha256", nonASCII, "{SSHA256}JwZt0p4N22BAtgSsTqrAaNSm0WFkw2b0EnDVoAtpoPxkZWZnaGlqaw=="},
	{"salted sha384", nonASCII, "{SSHA384}G863eJvq9eAv/2caKCz5PH83AwlzYQkOB8NzFhYAf3trIzmumoUPt8/V7qEMK41oZGVmZ2hpams="},
	{"salted sha512", nonASCII, "{SSHA512}6AEJBWamFCWSqgXGia+28V0Wiii+sqnPbITUS/leJymYG4YoZ0c/5r9gqgRdYvkx+ljpifvpeg9/WZqPZAjhPmRlZmdoaWpr"},
	{"yescrypt, least cost", octets72, "$y$j75$F5Jx5fExrKuPp53xLKQ..1$57ZyUK8n4KLxAZ4Pfyxy8uwlvo2WXmaE8KRElGgMmb0"},
	{"bcrypt 2b", octets72, "$2b$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q"},
	{"bcrypt 2a", octets72, "$2a$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i"},
	{"bcrypt 2y", octets72, "$2y$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i"},
	{"SHA-512 crypt with rounds", octets72, "$6$rounds=1000$saltstring$aCCyL/Et6Mb8wkTpzkPtPlsTArtg5kx27ix0gl9BJUEmD9DdWV0yr1fuq42IZ0Th38uLqQmefeRjvrcFMKrbl0"},
	{"SHA-512 crypt", octets72, "$6$saltstring$4OhSjsl.mQ8SO.G9PqRL8ikUt/Mok/3L1eoLptHlGYfddu2IY.E33LOgv3u9i8coDCD7XE058KPAAKaGoKYjq/"},
	{"SHA-256 crypt with rounds", octets72, "$5$rounds=1000$saltstring$vPtBf.PiuNBdGTIbltpMr1tuL1NvHaQtnvPRuGRd7cA"},
	{"SHA-256 crypt", octets72, "$5$saltstring$v/P/AX0Ph.wRdctZsd41zr96jzhlc/8J4NIPcJzb442"},
	{"PBKDF2 sha1", octets72, "$pbkdf2$1000$ZGVmZ2hpamtsbW5vcHFycw$ui0Senyhs0wKxaT203OBodd/xXw"},
	{"PBKDF2 sha224", octets72, "$pbkdf2-sha224$1000$ZGVmZ2hpamtsbW5vcHFycw$4KdGKKSTG9pvcmLhfToiEg6.7a5qlBVn82c7lA"},
	{"PBKDF2 sha256", octets72, "$pbkdf2-sha256$1000$ZGVmZ2hpamtsbW5vcHFycw$cHMGoe10ExQDUOy9lW9N15sxadvDJ18mXTmsn1zSLSg"},
	{"PBKDF2 sha384", octets72, "$pbkdf2-sha384$1000$ZGVmZ2hpamtsbW5vcHFycw$fQRs1sKC4I6/isLENFWNNsmc/AoPhO8JoIRTW1.kNgy4046zWYGK9Y0mWIrbwN8D"},
	{"PBKDF2 sha512", octets72, "$pbkdf2-sha512$1000$ZGVmZ2hpamtsbW5vcHFycw$BQRo0UyRhuu3wEm.UpNfaUqhYMzdPBWMQFkXK5y0VM3MViTAV0o4EhgsV6a.1KIj6VuUpBH0pCk7llRws764aA"},
	{"scrypt", octets72, "$scrypt$ln=4,r=8,p=1$ZGVmZ2hpamtsbW5vcHFycw$HLfJFSLZ7z8vyQiYc0uVXnd9koGLtZgPDtqCBI6eE7o"},
	{"salted sha1", octets72, "{SSHA}4ssHKiKo/PqNd+PBqt7gAMmk8NZkZWZnaGlqaw=="},
	{"salted sha256", octets72, "{SSHA256}/0BvPdH8j6856jT/SrVk26tqtTItKthS6cMaU+TVOTRkZWZnaGlqaw=="},
	{"salted sha384", octets72, "{SSHA384}sQK6dsnhQER+QrbPGAXexfpN36xWHdUlXyd1o7vuqLUnSPJhSIrX9ITkPVO8tLqmZGVmZ2hpams="},
	{"salted sha512", octets72, "{SSHA512}43OsjurrTlGR6s3nrL6xmGdAlEXhDFRiSpWZZxv42cxAEWNIIY1FVtXDzLd9OTVIZjKyLsv9hGRvuJOBWzGrLWRlZmdoaWpr"},
	{"argon2id", "password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"},
	{"argon2id, two threads", "password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"},
	{"argon2i", "password", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8"},
	{"argon2i, two threads", "password", "$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHQ$T/XOJ2mh1/TIpJHfCdQan76Q5esCFVoT5MAeIM1Oq2E"},
}
