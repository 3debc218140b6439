# ruff: noqa: E501
"""The vocabulary of the planner: a concept a line, as regular expressions of English and Chinese words.

name ; English words ; Chinese words ; what it means in a plan ; the same in Chinese
"""

from __future__ import annotations

TABLES: dict[str, str] = {
    "filter": r"""
        even ; evens? ; 偶数|双数 ; keep the even numbers ; 保留偶数
        odd ; odds? ; 奇数|单数 ; keep the odd numbers ; 保留奇数
        positive ; positives? ; 正数|正整数|正的|为正|大于零|大于0 ; keep the positive numbers ; 保留正数
        negative ; negatives? ; 负数|负整数|为负|小于零|小于0 ; keep the negative numbers ; 保留负数
        zero ; zero(?:e?s)? ; 零|为0|是0|0的 ; test for zero ; 判断是否为零
        prime ; primes? ; 质数|素数 ; test for primes ; 判断质数
        greater ; greater|longer|larger|bigger|more than|above|over|exceeds?|exceeding|higher|after ; 大于|超过|高于|多于|以上|更大 ; compare with a lower bound ; 与下限比较
        less ; less|shorter|smaller|fewer|below|under|lower than|before ; 小于|低于|少于|不足|以下|更小 ; compare with an upper bound ; 与上限比较
        at_least ; at least|not less than|or more|minimum of ; 至少|不小于|不少于|大于等于|大于或等于|不低于 ; compare with a lower bound, inclusive ; 与下限比较（含）
        at_most ; at most|not more than|up to|or less|till|until|within ; 至多|最多|不超过|不大于|小于等于|小于或等于|以内 ; compare with an upper bound, inclusive ; 与上限比较（含）
        between ; between|in (?:the |a )?(?:given |specific |specified )?range|within ; 之间|范围内|区间内|介于 ; keep what lies in a range ; 保留范围内的值
        equal ; equals?|same|identical|match(?:es)? ; 等于|相等|相同|一样|一致 ; compare for equality ; 比较是否相等
        different ; differ(?:ent|s)?|not equal|unequal|mismatch ; 不同|不等|不相等|不一样 ; compare for difference ; 比较是否不同
        divisible ; divisible|multiples?|divides?|divisibility ; 整除|倍数 ; test divisibility ; 判断能否整除
        length ; lengths?|long|longer|longest|short|shorter|shortest|size ; 长度|最长|最短|位数 ; look at the length ; 比较长度
        starts ; start(?:s|ing)?(?: with)?|begin(?:s|ning)?(?: with)?|prefix ; 开头|前缀|起始 ; look at the beginning ; 检查开头
        ends ; end(?:s|ing)?(?: with| in)?|suffix ; 结尾|后缀|末尾 ; look at the end ; 检查结尾
        contains ; contain(?:s|ing)?|present|exists?|includ(?:es|ing)|has|have|is in|member|element of|appears? ; 包含|含有|存在|出现|属于 ; test for presence ; 判断是否包含
        uppercase ; upper ?case|capitals?|upper|capitali[sz]ed? ; 大写 ; look at upper case ; 大写字母
        lowercase ; lower ?case|lower|small letters? ; 小写 ; look at lower case ; 小写字母
        digit ; digits?|numeric|numerals? ; 数字|数位|各位 ; look at digits ; 逐位处理数字
        alphanumeric ; alpha ?numeric|letters and (?:digits|numbers) ; 字母和数字|字母数字|字母或数字 ; look at letters and digits ; 字母与数字
        space ; (?:white)?spaces?|blanks? ; 空格|空白 ; look at spaces ; 空格
        vowel ; vowels? ; 元音 ; look at vowels ; 元音字母
        consonant ; consonants? ; 辅音 ; look at consonants ; 辅音字母
        palindrome ; palindrom(?:es?|ic) ; 回文 ; test for palindromes ; 判断回文
        unique ; unique|distinct|duplicates?|dedup(?:licate)?|duplicat(?:ed|ion)|repeated|without repetition ; 去重|不重复|唯一|重复|不同的 ; look at repetition ; 处理重复元素
        common ; common|both|intersection|shared|overlap ; 交集|共同|公共|都有|同时 ; keep what is in both ; 求交集
        difference_set ; differences?|not in|missing|only in|exclud(?:e|ing)|except ; 差集|不在|缺少|排除|之外|除了 ; keep what is in one only ; 求差集
        remove ; remov(?:e|es|ing|al)|delet(?:e|es|ing)|drop|strip|eliminate|without|exclud(?:e|ing)|discard|filter out ; 去掉|删除|移除|去除|剔除|过滤掉|除去|排除 ; drop what is not wanted ; 去掉不要的元素
        none_value ; none|null|empty|missing values? ; 空值|为空|空的|空字符串|空列表|None ; look at empty values ; 处理空值
    """,
    "map": r"""
        square ; squares?|squared ; 平方 ; square each ; 求平方
        cube ; cubes?|cubed ; 立方 ; cube each ; 求立方
        power ; powers?|raised|exponent(?:iation)? ; 次方|次幂|乘方|幂 ; raise to a power ; 求幂
        double ; doubl(?:e|es|ed|ing)|twice|two times ; 两倍|二倍|加倍|翻倍|2倍 ; double each ; 加倍
        half ; half|halve|halves ; 一半|减半 ; halve ; 取一半
        absolute ; absolute|magnitude|abs ; 绝对值|绝对 ; take absolute values ; 取绝对值
        negate ; negat(?:e|ion)|opposite|sign ; 相反数|取反|变号 ; change the sign ; 取相反数
        add ; add(?:s|ed|ing|ition)?|plus|increment|increase[sd]?|sum ; 加上|相加|增加|加 ; add ; 相加
        subtract ; subtract(?:s|ed|ion|ing)?|substract|minus|differences?|decrement|decrease ; 减去|相减|之差|差值|减|差 ; subtract ; 相减
        multiply ; multipl(?:y|ied|ies|ying|ication)|times|products? ; 乘以|相乘|乘积|之积|乘|积 ; multiply ; 相乘
        divide ; divid(?:e|ed|es|ing)|division|quotient|ratio ; 除以|相除|之商|商|比值 ; divide ; 相除
        modulo ; modulo?|remainder|mod ; 余数|取余|取模 ; take the remainder ; 取余数
        root ; (?:square )?roots?|sqrt ; 平方根|开方 ; take the root ; 求平方根
        round ; round(?:s|ed|ing)?|decimal places?|nearest|precision ; 四舍五入|保留.{0,3}位|小数 ; round ; 四舍五入
        floor ; floor|ceil(?:ing)?|round(?:ed)? (?:up|down) ; 向下取整|向上取整|取整 ; round to whole numbers ; 取整
        reverse ; revers(?:e|es|ed|ing|al)|backwards?|opposite order ; 反转|逆序|翻转|颠倒|倒序|倒过来 ; reverse ; 反转
        rotate ; rotat(?:e|es|ed|ing|ion)|shift ; 旋转|轮转|移位|移动 ; rotate ; 旋转
        swap ; swap(?:s|ped|ping)?|interchang(?:e|ed|ing)|exchang(?:e|ed|ing) ; 交换|互换|对调 ; swap ; 交换
        replace ; replac(?:e|es|ed|ing)|substitut(?:e|ing)|chang(?:e|ing) ; 替换|换成|改为|替代 ; replace ; 替换
        capitalize ; capitali[sz](?:e|es|ed|ing)|title case|first letter ; 首字母大写|首字母 ; capitalize ; 首字母大写
        case ; cases?|swap ?case|toggle|upper|lower ; 大小写 ; change the case ; 转换大小写
        first ; first|initial|head|front|start(?:ing)?|beginning ; 第一|首个|首|开头|前面 ; take the first ; 取第一个
        last ; last|final|tail|rear|end ; 最后|末|尾 ; take the last ; 取最后一个
        nth ; n-?th|k-?th|nth|kth|k'th|index(?:es)?|position|specified|second|third|column ; 第n|第k|第几|下标|索引|位置|第[二三四五六七八九十\d]+ ; take the one at a place ; 取指定位置
        alternate ; alternat(?:e|es|ing)|every other|every second|every n-?th|n-?th ; 每隔|间隔|交替|偶数位|奇数位 ; take at steps ; 间隔选取
        neighbours ; adjacent|consecutive|neighbou?r(?:s|ing)?|pairwise|successive|following ; 相邻|连续|前后 ; look at neighbours ; 相邻元素
        ascii ; ascii|unicode|character codes?|code points?|ordinals? ; ASCII|编码|码值|字符码 ; use character codes ; 使用字符编码
        binary ; binary|bits?|bitwise ; 二进制|位运算 ; use the binary form ; 二进制
        hexadecimal ; hex(?:adecimal)? ; 十六进制 ; use the hexadecimal form ; 十六进制
        octal ; octal ; 八进制 ; use the octal form ; 八进制
        repeat ; repeat(?:s|ed|ing)?|times|duplicate|copies ; 重复|复制|次 ; repeat ; 重复
        range ; range|from 1 to|first n|up to|natural numbers?|till|numbers from|between ; 1到|从1|到n|前n个|自然数|以内|之间|范围 ; count through a range ; 遍历范围
        flatten ; flatten(?:s|ed|ing)?|nested|list of lists|sub-?lists? ; 展平|扁平|嵌套|拉平 ; flatten ; 展平
    """,
    "reduce": r"""
        sum ; sum(?:s|med|ming)?|total|add(?:s|ed|ing)?(?: up)?|plus ; 总和|求和|之和|的和|和为|(?<=[方数字])和|累加|合计|总计|总数|总共|总 ; add up ; 求和
        product ; product|multipl(?:y|ied|ies|ying|ication) ; 乘积|之积|累乘|连乘|相乘 ; multiply all ; 求乘积
        count ; count(?:s|ed|ing)?|number of|how many|occurrences?|occurences?|frequency|total number|times ; 个数|数量|统计|计数|次数|多少个|多少|几个 ; count ; 计数
        maximum ; max(?:imum|imal)?|largest|biggest|greatest|highest|longest|most|last ; 最大|最多|最高|最长|最晚 ; take the largest ; 取最大值
        minimum ; min(?:imum|imal)?|smallest|least|lowest|shortest|fewest|first ; 最小|最少|最低|最短|最早 ; take the smallest ; 取最小值
        average ; averages?|means? ; 平均|均值 ; take the average ; 求平均值
        median ; median ; 中位数 ; take the median ; 求中位数
        mode ; most (?:common|frequent|often|repeated)|mode|maximum occurrences?|frequent ; 众数|出现最多|出现次数最多|最常 ; take the most frequent ; 取出现最多的
        join ; join(?:s|ed|ing)?|concatenat(?:e|es|ed|ion|ing)|combin(?:e|es|ed|ing)|merg(?:e|es|ed|ing)|append|separated by|together|extend ; 连接|拼接|合并|组合|连成 ; join ; 连接
        span ; range|spread|differences? between (?:the )?(?:max|larg|great|high|big)\w*|max(?:imum)? (?:and|minus) min ; 极差|最大.{0,4}最小.{0,3}差 ; largest minus smallest ; 求极差
        factorial ; factorials? ; 阶乘 ; factorial ; 求阶乘
    """,
    "sort": r"""
        sort ; sort(?:s|ed|ing)?|order(?:ed|ing)?|arrang(?:e|es|ed|ing)|rank(?:ed|ing)?|alphabetical(?:ly)? ; 排序|升序|从小到大|从低到高|从早到晚|字典序|排列|由小到大 ; sort ; 排序
        descending ; descending|decreasing|revers(?:e|ed) (?:order|sort)|largest first|high(?:est)? to low(?:est)? ; 降序|从大到小|从高到低|由大到小|递减|倒序 ; in descending order ; 降序排列
    """,
    "search": r"""
        index ; index(?:es)?|indices|positions?|locations?|where ; 下标|索引|位置|序号 ; find the place ; 求位置
    """,
    "group": r"""
        group ; group(?:s|ed|ing)?|categori[sz]e|classif(?:y|ied)|partition ; 分组|归类|分类|划分 ; group ; 分组
        frequency ; frequenc(?:y|ies)|occurrences? of each|count(?:s|ing)? (?:of )?each|how often|how many times each|histogram ; 频率|频次|词频|每个.{0,8}(?:次数|个数|数量)|各.{0,8}(?:次数|个数|数量) ; count each ; 统计每个的次数
        keys ; keys? ; 键 ; use the keys ; 使用键
        dictionary ; dict(?:ionar(?:y|ies))?|mapping|map|hash ; 字典|映射 ; build a dictionary ; 构造字典
    """,
    "parse": r"""
        split ; split(?:s|ting)?|separat(?:e|es|ed|ing)|words?|tokens?|break ; 分割|拆分|切分|分隔|单词|词语|逗号分隔 ; split ; 拆分
        trim ; trim(?:s|med|ming)?|strip|leading|trailing|whitespace ; 首尾空格|两端|去空格 ; trim ; 去掉首尾空白
        pad ; pad(?:s|ded|ding)?|leading zeros?|width|zero-?fill ; 补零|填充|补齐|对齐 ; pad ; 补齐
    """,
    "condition": r"""
        check ; check(?:s|ing)?|whether|determine|is it|test|verify|valid(?:ate)?|true|false ; 是否|判断|检查|验证|能否 ; answer yes or no ; 判断真假
    """,
    "hint": r"""
        letter ; letters?|alphabets?|alphabetic(?:al)? ; 字母 ; look at letters ; 字母
        keep ; filter|keep(?:s|ing)?|select|extract|only|pick|retain ; 过滤|筛选|保留|挑选|选出|提取|取出|只 ; keep what is wanted ; 保留需要的元素
        to_text ; (?:to|into|as) (?:a )?strings?|text|strings? ; 转.{0,4}字符串|转为文本|字符串 ; write as text ; 转为字符串
        to_number ; (?:to|into|as) (?:an? )?(?:integers?|ints?|numbers?|floats?)|integers?|numeric ; 转.{0,4}整数|转.{0,4}数字|转为数值|整数 ; read as numbers ; 转为数字
        to_list ; (?:to|into|as) (?:a )?lists?|list ; 转.{0,4}列表|列表 ; make a list ; 转为列表
        to_tuple ; tuples? ; 元组 ; make a tuple ; 转为元组
        to_set ; sets? ; 集合 ; make a set ; 转为集合
        elementwise ; two (?:given )?(?:lists|tuples|arrays|vectors)|corresponding|element-?wise|pairs?|zip|respectively|of (?:the )?elements in ; 对应|两个列表|逐个|两个数组|配对 ; pair elements ; 对应元素配对
        find ; find(?:s|ing)?|search(?:es|ing)?|locat(?:e|es|ing)|look(?:s|ing)? (?:up|for) ; 查找|寻找|搜索|定位|找到 ; search ; 查找
        values ; values? ; 值 ; use the values ; 使用值
        words ; words?|sentences?|tokens? ; 单词|词语|句子 ; go through the words ; 逐词处理
        characters ; characters?|chars?|letters? ; 字符|字母 ; go through the characters ; 逐字符处理
        otherwise ; if|else|otherwise|when|unless|depending ; 如果|否则|若|当|的话 ; choose by a condition ; 按条件选择
        generate ; generat(?:e|es|ing)|creat(?:e|es|ing)|build|make|produce|construct ; 生成|创建|构造|建立|制作 ; build the result ; 生成结果
        area ; areas?|perimeter|circumference|volume|surface ; 面积|周长|体积 ; measure a figure ; 度量图形
        all ; all|every|each|only|entirely ; 全部|所有|都|每个|全是 ; test all ; 判断是否全部满足
        any ; any|some|at least one|exists?|contains? ; 任意|任一|存在|有没有|至少一个 ; test for any ; 判断是否存在
    """,
}
